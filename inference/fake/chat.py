"""/v1/chat/completions in vLLM's words."""

from functools import lru_cache
from typing import Any

from inference.fake.answer import Answer, Frame, encode, openai_frames, openai_refusal, openai_whole
from inference.fake.plan import Plan, ToolCall
from inference.fake.text import content_text, count_messages, count_prefix

LOGPROB = -0.25

Step = tuple[dict[str, Any], int, str | None]
"""A delta, its number of tokens, and the token that has a logprob."""


class Chat:
    done = b"data: [DONE]\n\n"

    def prompt(self, fields: dict[str, Any]) -> tuple[int, str]:
        messages = fields["messages"]
        if not messages:
            raise ValueError("messages must not be empty")
        if fields.get("continue_final_message") and messages[-1].get("role") == "assistant":
            prefix = content_text(messages[-1].get("content"))
            return count_messages(messages[:-1]) + count_prefix(prefix), prefix
        return count_messages(messages), ""

    def whole(self, answer: Answer) -> bytes:
        head = answer.envelope(b"chatcmpl", b"chat.completion")
        return openai_whole(answer, head, _whole_choices(answer.plan))

    def frames(self, answer: Answer) -> list[Frame]:
        head = answer.envelope(b"chatcmpl", b"chat.completion.chunk")
        return openai_frames(answer, head, _fragments(answer.plan))

    def refusal(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
        return openai_refusal(status, message, param=param, code=code)

    def broken(self, message: str) -> bytes:
        return b"data: " + openai_refusal(500, message) + b"\n\n"


@lru_cache(maxsize=256)
def _whole_choices(plan: Plan) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(plan.texts), "refusal": None}
    if plan.thoughts:
        message["reasoning_content"] = "".join(plan.thoughts)
    if plan.tool:
        message |= {"content": None, "tool_calls": [_tool(plan.tool)]}
    logprobs = None
    if plan.logprobs is not None:
        logprobs = {"content": [_logprob(token, plan.logprobs) for token in plan.texts]}
    choices = [
        {"index": index, "message": message, "logprobs": logprobs, "finish_reason": plan.finish_reason}
        for index in range(plan.choices)
    ]
    return b'"choices":' + encode(choices)


@lru_cache(maxsize=256)
def _fragments(plan: Plan) -> tuple[Frame, ...]:
    """One for the role, one per token and choice; the last of a choice carries its finish reason."""
    indices = range(plan.choices)
    made = [_fragment(index, {"role": "assistant", "content": ""}) for index in indices]
    steps = _tool_steps(plan.tool) if plan.tool else _text_steps(plan.texts)
    steps = [*(({"reasoning_content": one}, 1, None) for one in plan.thoughts), *steps]
    for position, (delta, tokens, token) in enumerate(steps, start=1):
        logprobs = None
        if plan.logprobs is not None and token is not None:
            logprobs = {"content": [_logprob(token, plan.logprobs)]}
        finish = plan.finish_reason if position == len(steps) else None
        made += [_fragment(index, delta, tokens=tokens, logprobs=logprobs, finish=finish) for index in indices]
    return tuple(made)


def _text_steps(texts: tuple[str, ...]) -> list[Step]:
    steps: list[Step] = [({"content": one}, 1, one) for one in texts]
    return steps or [({}, 1, None)]


def _tool_steps(tool: ToolCall) -> list[Step]:
    """The name first, then the arguments in two halves. A call counts as one token."""
    half = len(tool.arguments) // 2
    opening = {"index": 0, **_tool(ToolCall(tool.name, ""))}
    steps: list[Step] = [({"tool_calls": [opening]}, 1, None)]
    for part in (tool.arguments[:half], tool.arguments[half:]):
        steps.append(({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}, 0, None))
    return [*steps, ({}, 0, None)]


def _tool(tool: ToolCall) -> dict[str, Any]:
    function = {"name": tool.name, "arguments": tool.arguments}
    return {"id": f"call_fake_{tool.name}", "type": "function", "function": function}


def _fragment(
    index: int, delta: dict[str, Any], *, tokens: int = 0, logprobs: Any = None, finish: str | None = None
) -> Frame:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return b'"choices":[' + encode(choice) + b"]", tokens


def _logprob(token: str, top: int) -> dict[str, Any]:
    one = {"token": token, "logprob": LOGPROB, "bytes": list(token.encode())}
    others = [{"token": f"~{rank}", "logprob": LOGPROB - rank, "bytes": None} for rank in range(1, top)]
    return {**one, "top_logprobs": [one, *others] if top else []}
