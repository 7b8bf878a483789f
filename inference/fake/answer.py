"""One answer on its way into a dialect, and the JSON that OpenAI's dialects share, mostly ready-made."""

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from inference.fake.plan import Plan

Frame = tuple[bytes, int]
"""An event of a stream as bytes, and the number of tokens that it carries."""

TIMINGS = b',"timings":{"cache_n":0,"prompt_n":5,"prompt_ms":20.5,"predicted_n":2,"predicted_ms":15.25}'

encode = msgspec.json.encode


@dataclass(frozen=True)
class Answer:
    number: int
    model: str
    created: int
    plan: Plan
    prompt_tokens: int
    cached_tokens: int = 0
    include_usage: bool = False
    continuous_usage: bool = False
    omit_usage: bool = False
    timings: bool = False

    def usage(self, completion_tokens: int) -> bytes:
        """OpenAI's usage object."""
        thoughts = min(len(self.plan.thoughts), completion_tokens)
        return (
            b'{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d,'
            b'"prompt_tokens_details":{"cached_tokens":%d}%b}'
        ) % (
            self.prompt_tokens,
            self.prompt_tokens + completion_tokens,
            completion_tokens,
            self.cached_tokens,
            b',"completion_tokens_details":{"reasoning_tokens":%d}' % thoughts if thoughts else b"",
        )

    def envelope(self, prefix: bytes, kind: bytes) -> bytes:
        """The beginning of every OpenAI object: everything before its `choices`."""
        head = b'{"id":"%s-fake-%d","object":"%s","created":%d,"model":%s,"system_fingerprint":"artemis-fake",'
        return head % (prefix, self.number, kind, self.created, encode(self.model))


class Dialect(Protocol):
    """How one endpoint puts a plan into bytes."""

    done: bytes

    def prompt(self, fields: dict[str, Any]) -> tuple[int, str]:
        """Tokens of the prompt, and the part of the answer that the caller has already."""
        ...

    def whole(self, answer: Answer) -> bytes: ...

    def frames(self, answer: Answer) -> list[Frame]: ...

    def refusal(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes: ...

    def broken(self, message: str) -> bytes:
        """An error event within a stream."""
        ...


OPENAI_KINDS = {400: "BadRequestError", 404: "NotFoundError", 503: "ServiceUnavailableError"}


def openai_refusal(status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
    """vLLM's error body: OpenAI's envelope with the status as the code."""
    kind = "invalid_request_error" if code else OPENAI_KINDS.get(status, "InternalServerError")
    return encode({"error": {"message": message, "type": kind, "param": param, "code": code or status}})


def openai_frames(answer: Answer, head: bytes, fragments: tuple[Frame, ...]) -> list[Frame]:
    """Fragments (`"choices":[…]`) are the same for each answer of a plan; only what is round them differs."""
    start = b"data: " + head
    if answer.continuous_usage and not answer.omit_usage:
        frames: list[Frame] = []
        total = 0
        for fragment, tokens in fragments:
            total += tokens
            frames.append((b'%s%s,"usage":%s}\n\n' % (start, fragment, answer.usage(total)), tokens))
    else:
        frames = [(start + fragment + b"}\n\n", tokens) for fragment, tokens in fragments]
    if answer.include_usage and not answer.omit_usage:
        usage = answer.usage(answer.plan.completion_tokens)
        frames.append((b'%s"choices":[],"usage":%s}\n\n' % (start, usage), 0))
    if answer.timings:
        last, tokens = frames[-1]
        frames[-1] = (last.removesuffix(b"}\n\n") + TIMINGS + b"}\n\n", tokens)
    return frames


def openai_whole(answer: Answer, head: bytes, choices: bytes) -> bytes:
    usage = b"" if answer.omit_usage else b',"usage":' + answer.usage(answer.plan.completion_tokens)
    return head + choices + usage + (TIMINGS if answer.timings else b"") + b"}"
