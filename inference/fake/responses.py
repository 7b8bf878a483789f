"""/v1/responses in vLLM's words: typed events, the last of which is `response.completed` whatever the status says."""

from functools import lru_cache
from typing import Any

from inference.fake.answer import Answer, Frame, encode, openai_refusal
from inference.fake.plan import Plan, ToolCall
from inference.fake.text import TOKENS_PER_MESSAGE, content_text, count_tokens

Step = tuple[str, dict[str, Any], int]
"""An event's kind, its fields, and the number of tokens that it carries."""

BEFORE = 2
"""Events before the first one of a plan: `response.created` and `response.in_progress`."""


class Responses:
    done = b""

    def prompt(self, fields: dict[str, Any]) -> tuple[int, str]:
        given = fields["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        if fields.get("instructions"):
            items = [{"role": "system", "content": fields["instructions"]}, *items]
        return sum(_count(item) + TOKENS_PER_MESSAGE for item in items), ""

    def whole(self, answer: Answer) -> bytes:
        return encode(_finished(answer))

    def frames(self, answer: Answer) -> list[Frame]:
        begun = {"response": {**_response(answer), "status": "in_progress"}}
        last = BEFORE + len(_steps(answer.plan))
        return [
            (event("response.created", begun, 0), 0),
            (event("response.in_progress", begun, 1), 0),
            *_plan_frames(answer.plan),
            (event("response.completed", {"response": _finished(answer)}, last), 0),
        ]

    def refusal(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
        return openai_refusal(status, message, param=param, code=code)

    def broken(self, message: str) -> bytes:
        return event("error", {"code": "server_error", "message": message, "param": None}, BEFORE)


def event(kind: str, fields: dict[str, Any], number: int) -> bytes:
    data = encode({"type": kind, "sequence_number": number, **fields})
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


def _count(item: dict[str, Any]) -> int:
    told = item.get("output") or item.get("arguments") or item.get("content")
    return count_tokens(content_text(told))


@lru_cache(maxsize=256)
def _plan_frames(plan: Plan) -> tuple[Frame, ...]:
    return tuple(
        (event(kind, fields, BEFORE + place), tokens) for place, (kind, fields, tokens) in enumerate(_steps(plan))
    )


@lru_cache(maxsize=256)
def _steps(plan: Plan) -> tuple[Step, ...]:
    thought = _thought_steps(plan) if plan.thoughts else []
    return (*thought, *(_call_steps(plan.tool, len(_thoughts(plan))) if plan.tool else _text_steps(plan)))


def _thought_steps(plan: Plan) -> list[Step]:
    (whole,) = _thoughts(plan)
    place = {"item_id": whole["id"], "output_index": 0, "content_index": 0}
    deltas = [("response.reasoning_text.delta", {**place, "delta": one}, 1) for one in plan.thoughts]
    return [
        ("response.output_item.added", _at(0, {**whole, "content": [], "status": "in_progress"}), 0),
        *deltas,
        ("response.reasoning_text.done", {**place, "text": "".join(plan.thoughts)}, 0),
        ("response.output_item.done", _at(0, whole), 0),
    ]


def _thoughts(plan: Plan) -> list[dict[str, Any]]:
    """The item of what was thought, if anything was."""
    text = {"type": "reasoning_text", "text": "".join(plan.thoughts)}
    item = {"type": "reasoning", "id": "rs_fake", "summary": [], "content": [text], "status": None}
    return [item] if plan.thoughts else []


def _text_steps(plan: Plan) -> list[Step]:
    whole, index = _item(plan), len(_thoughts(plan))
    place = {"item_id": whole["id"], "output_index": index, "content_index": 0}
    part = whole["content"][0]
    return [
        ("response.output_item.added", _at(index, {**whole, "content": [], "status": "in_progress"}), 0),
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}, 0),
        *(("response.output_text.delta", {**place, "delta": one, "logprobs": []}, 1) for one in plan.texts),
        ("response.output_text.done", {**place, "text": part["text"], "logprobs": []}, 0),
        ("response.content_part.done", {**place, "part": part}, 0),
        ("response.output_item.done", _at(index, whole), 0),
    ]


def _call_steps(tool: ToolCall, index: int) -> list[Step]:
    """The arguments in two halves. A call counts as one token."""
    whole = _call(tool)
    place = {"item_id": whole["id"], "output_index": index}
    half = len(tool.arguments) // 2
    deltas = [(tool.arguments[:half], 1), (tool.arguments[half:], 0)]
    return [
        ("response.output_item.added", _at(index, {**whole, "arguments": "", "status": "in_progress"}), 0),
        *(("response.function_call_arguments.delta", {**place, "delta": one}, tokens) for one, tokens in deltas),
        ("response.function_call_arguments.done", {**place, "name": tool.name, "arguments": tool.arguments}, 0),
        ("response.output_item.done", _at(index, whole), 0),
    ]


def _at(place: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"output_index": place, "item": item}


def _item(plan: Plan) -> dict[str, Any]:
    if plan.tool:
        return _call(plan.tool)
    text: dict[str, Any] = {"type": "output_text", "text": "".join(plan.texts), "annotations": [], "logprobs": None}
    status = "incomplete" if plan.finish_reason == "length" else "completed"
    return {
        "type": "message",
        "id": "msg_fake",
        "role": "assistant",
        "status": status,
        "content": [text],
        "phase": None,
    }


def _call(tool: ToolCall) -> dict[str, Any]:
    ids = {"id": f"fc_fake_{tool.name}", "call_id": f"call_fake_{tool.name}"}
    said = {"name": tool.name, "arguments": tool.arguments, "namespace": None}
    return {"type": "function_call", **ids, **said, "status": "completed"}


def _response(answer: Answer) -> dict[str, Any]:
    """What stands in every response, with the values that vLLM gives where nothing was asked for."""
    return {
        "id": f"resp_fake_{answer.number}",
        "object": "response",
        "created_at": answer.created,
        "model": answer.model,
        "output": [],
        "incomplete_details": None,
        "instructions": None,
        "metadata": None,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "background": False,
        "max_output_tokens": 64,
        "previous_response_id": None,
        "service_tier": "auto",
        "text": None,
        "truncation": "disabled",
        "usage": None,
    }


def _finished(answer: Answer) -> dict[str, Any]:
    plan = answer.plan
    cut = plan.finish_reason == "length"
    return {
        **_response(answer),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [*_thoughts(plan), _item(plan)],
        "usage": None if answer.omit_usage else _usage(answer),
    }


def _usage(answer: Answer) -> dict[str, Any]:
    made = answer.plan.completion_tokens
    return {
        "input_tokens": answer.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens, "input_tokens_per_turn": []},
        "output_tokens": made,
        "output_tokens_details": {
            "reasoning_tokens": len(answer.plan.thoughts),
            "tool_output_tokens": 0,
            "output_tokens_per_turn": [],
        },
        "total_tokens": answer.prompt_tokens + made,
    }
