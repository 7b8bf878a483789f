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
        message = {**_message(answer), "content": [block], **_stop(plan)}
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
    if plan.tool:
        block: dict[str, Any] = {**_tool_block(plan), "input": {}}
        deltas = [({"type": "input_json_delta", "partial_json": plan.tool.arguments}, 1)]
    else:
        block = {"type": "text", "text": ""}
        deltas = [({"type": "text_delta", "text": one}, 1) for one in plan.texts]
    opening = event("content_block_start", {"index": 0, "content_block": block})
    return (
        (opening, 0),
        (event("ping", {}), 0),
        *((event("content_block_delta", {"index": 0, "delta": delta}), tokens) for delta, tokens in deltas),
        (event("content_block_stop", {"index": 0}), 0),
    )


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
