"""/v1/messages in Anthropic's words: the fake stands in for Claude, too."""

import json
from functools import lru_cache
from typing import Any

from inference.fake.answer import Answer, Frame, encode
from inference.fake.plan import Plan
from inference.fake.text import content_text, count_messages, count_tokens

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

Block = tuple[dict[str, Any], list[tuple[dict[str, Any], int]]]
"""How a block begins, and its deltas, each with the number of tokens that it carries."""


class Messages:
    done = b""

    def prompt(self, fields: dict[str, Any]) -> tuple[int, str]:
        """A last message of the assistant's is the beginning of the answer."""
        messages = fields["messages"]
        last = messages[-1]
        prefix = content_text(last.get("content")) if last.get("role") == "assistant" else ""
        return count_messages(messages) + count_tokens(content_text(fields.get("system"))), prefix

    def whole(self, answer: Answer) -> bytes:
        plan = answer.plan
        block: dict[str, Any] = {"type": "text", "text": "".join(plan.texts)}
        if plan.tool:
            block = {**_tool_block(plan), "input": json.loads(plan.tool.arguments)}
        thought = [{"type": "thinking", "thinking": "".join(plan.thoughts), "signature": ""}] if plan.thoughts else []
        message = {**_message(answer), "content": [*thought, block], **_stop(plan)}
        if answer.omit_usage:
            del message["usage"]
        else:
            message["usage"] = _usage(answer, plan.completion_tokens)
        return encode(message)

    def frames(self, answer: Answer) -> list[Frame]:
        start = event("message_start", {"message": {**_message(answer), "usage": _usage(answer, 1)}})
        closing: dict[str, Any] = {"delta": _stop(answer.plan)}
        if not answer.omit_usage:
            closing["usage"] = {"output_tokens": answer.plan.completion_tokens}
        ending = [(event("message_delta", closing), 0), (event("message_stop", {}), 0)]
        return [(start, 0), *_blocks(answer.plan), *ending]

    def refusal(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
        kind = KINDS.get(status, "api_error")
        return encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"})

    def broken(self, message: str) -> bytes:
        return event("error", {"error": {"type": "overloaded_error", "message": message}})


def event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), encode({"type": kind, **fields}))


@lru_cache(maxsize=256)
def _blocks(plan: Plan) -> tuple[Frame, ...]:
    """The arguments of a tool in two halves. A call counts as one token."""
    if plan.tool:
        half = len(plan.tool.arguments) // 2
        parts = [(plan.tool.arguments[:half], 1), (plan.tool.arguments[half:], 0)]
        deltas = [({"type": "input_json_delta", "partial_json": part}, tokens) for part, tokens in parts]
        blocks: list[Block] = [({**_tool_block(plan), "input": {}}, deltas)]
    else:
        blocks = [({"type": "text", "text": ""}, [({"type": "text_delta", "text": one}, 1) for one in plan.texts])]
    if plan.thoughts:
        thoughts = [({"type": "thinking_delta", "thinking": one}, 1) for one in plan.thoughts]
        blocks.insert(0, ({"type": "thinking", "thinking": "", "signature": ""}, thoughts))
    return tuple(frame for index, (block, deltas) in enumerate(blocks) for frame in _block(index, block, deltas))


def _block(index: int, block: dict[str, Any], deltas: list[tuple[dict[str, Any], int]]) -> list[Frame]:
    return [
        (event("content_block_start", {"index": index, "content_block": block}), 0),
        *([(event("ping", {}), 0)] if index == 0 else []),
        *((event("content_block_delta", {"index": index, "delta": delta}), tokens) for delta, tokens in deltas),
        (event("content_block_stop", {"index": index}), 0),
    ]


def _tool_block(plan: Plan) -> dict[str, Any]:
    name = plan.tool.name if plan.tool else ""
    return {"type": "tool_use", "id": f"toolu_fake_{name}", "name": name}


def _message(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_fake_{answer.number}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": None,
    }


def _usage(answer: Answer, output_tokens: int) -> dict[str, int]:
    """Anthropic counts cached tokens apart, not as a part of the input."""
    return {
        "input_tokens": answer.prompt_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": output_tokens,
    }


def _stop(plan: Plan) -> dict[str, str | None]:
    reason = STOP_REASONS.get(plan.finish_reason, plan.finish_reason)
    return {"stop_reason": reason, "stop_sequence": plan.stop_sequence}


def count(fields: dict[str, Any]) -> tuple[bytes, int]:
    """/v1/messages/count_tokens: the body, and the tokens worked on."""
    return encode({"input_tokens": Messages().prompt(fields)[0]}), 0
