"""/v1/completions in vLLM's words."""

from functools import lru_cache
from itertools import accumulate
from typing import Any

from inference.fake.answer import Answer, Frame, encode, openai_frames, openai_refusal, openai_whole
from inference.fake.plan import Plan
from inference.fake.text import count_tokens


class Completions:
    done = b"data: [DONE]\n\n"

    def prompt(self, fields: dict[str, Any]) -> tuple[int, str]:
        """A prompt is a text or token ids, or several of those; what it ends with can be our own answer."""
        prompt = fields["prompt"]
        if isinstance(prompt, str):
            return count_tokens(prompt), prompt
        if prompt and isinstance(prompt[0], int):
            return len(prompt), ""
        return sum(count_tokens(one) if isinstance(one, str) else len(one) for one in prompt), ""

    def whole(self, answer: Answer) -> bytes:
        head = answer.envelope(b"cmpl", b"text_completion")
        return openai_whole(answer, head, _whole_choices(answer.plan))

    def frames(self, answer: Answer) -> list[Frame]:
        return openai_frames(answer, answer.envelope(b"cmpl", b"text_completion"), _fragments(answer.plan))

    def refusal(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
        return openai_refusal(status, message, param=param, code=code)

    def broken(self, message: str) -> bytes:
        return b"data: " + openai_refusal(500, message) + b"\n\n"


@lru_cache(maxsize=256)
def _whole_choices(plan: Plan) -> bytes:
    choices = [_choice(plan, index, plan.texts, plan.finish_reason) for index in range(plan.choices)]
    return b'"choices":' + encode(choices)


@lru_cache(maxsize=256)
def _fragments(plan: Plan) -> tuple[Frame, ...]:
    made: list[Frame] = []
    texts = plan.texts or ("",)
    for position, token in enumerate(texts, start=1):
        finish = plan.finish_reason if position == len(texts) else None
        for index in range(plan.choices):
            made.append((b'"choices":[' + encode(_choice(plan, index, (token,), finish)) + b"]", 1))
    return tuple(made)


def _choice(plan: Plan, index: int, texts: tuple[str, ...], finish: str | None) -> dict[str, Any]:
    logprobs = None
    if plan.logprobs is not None:
        logprobs = {
            "tokens": texts,
            "token_logprobs": [-0.25] * len(texts),
            "top_logprobs": [{token: -0.25} for token in texts],
            "text_offset": list(accumulate((len(token) for token in texts[:-1]), initial=0)),
        }
    return {"index": index, "text": "".join(texts), "logprobs": logprobs, "finish_reason": finish}
