"""The rest of a response in OpenAI's dialect: the same item goes on, and its last events tell the whole of it."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.gateway.wires.rest import RestOfParts

ITEM_BEGUN, ITEM_DONE = "response.output_item.added", "response.output_item.done"
STAGES = (
    ITEM_BEGUN,
    "response.content_part.added",
    "response.output_text.done",
    "response.content_part.done",
    ITEM_DONE,
)
"""The events of a message but for its deltas, which come after the second."""
TEXT_BEGUN = 2
REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class RestOfResponse(RestOfParts):
    """`number`: of the next event. `item`, `index`, `text`: of the message that the caller has, or will; `stage`: how
    many of its STAGES it has. `_output`: the items that are whole; `_called`: the call that is open."""

    number: int
    item: str
    index: int
    stage: int
    text: str
    _output: list[dict[str, Any]] = field(default_factory=list)
    _called: dict[str, Any] = field(default_factory=dict)

    def _text(self, text: str) -> Iterable[bytes]:
        yield from self._end_call()
        yield from self._reach(TEXT_BEGUN)
        self.text += text
        yield self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def _reach(self, stage: int) -> Iterable[bytes]:
        """The message's events up to this stage, those that have not been written."""
        while self.stage < stage:
            kind = STAGES[self.stage]
            self.stage += 1
            yield self._event(kind, **self._told(kind))

    def _told(self, kind: str) -> dict[str, Any]:
        match kind:
            case "response.output_item.added":
                return {"output_index": self.index, "item": {**self._message("in_progress"), "content": []}}
            case "response.content_part.added":
                return {**self._place, "part": _part("")}
            case "response.output_text.done":
                return {**self._place, "text": self.text, "logprobs": []}
            case "response.content_part.done":
                return {**self._place, "part": _part(self.text)}
            case _:
                return {"output_index": self.index, "item": self._message(self._status)}

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item, "output_index": self.index, "content_index": 0}

    @property
    def _status(self) -> str:
        return "incomplete" if self._finish.get("finish_reason") in REASONS else "completed"

    def _message(self, status: str) -> dict[str, Any]:
        content = [_part(self.text)]
        return {"type": "message", "id": self.item, "role": "assistant", "status": status, "content": content}

    def _end_message(self) -> Iterable[bytes]:
        if self.stage:
            yield from self._reach(len(STAGES))
            self._output.append(self._message(self._status))
            self._next_item()

    def _next_item(self) -> None:
        self.index += 1
        self.item, self.stage, self.text = f"msg_{secrets.token_hex(20)}", 0, ""

    def _begin_call(self, identifier: str, name: str) -> Iterable[bytes]:
        yield from self._end_message()
        yield from self._end_call()
        self._called = {
            "type": "function_call",
            "id": f"fc_{secrets.token_hex(20)}",
            "call_id": identifier,
            "name": name,
            "arguments": "",
            "status": "in_progress",
        }
        yield self._event(ITEM_BEGUN, output_index=self.index, item=self._called)

    def _arguments(self, part: str) -> bytes:
        self._called["arguments"] += part
        place = {"item_id": self._called["id"], "output_index": self.index}
        return self._event("response.function_call_arguments.delta", **place, delta=part)

    def _end_call(self) -> Iterable[bytes]:
        call = self._called
        if not call:
            return
        call["status"] = self._status
        place = {"item_id": call["id"], "output_index": self.index}
        told = {"name": call["name"], "arguments": call["arguments"]}
        yield self._event("response.function_call_arguments.done", **place, **told)
        yield self._event(ITEM_DONE, output_index=self.index, item=call)
        self._output.append(call)
        self._called = {}
        self._next_item()

    def _end(self) -> Iterable[bytes]:
        yield from self._end_message()
        yield from self._end_call()
        reason = REASONS.get(self._finish["finish_reason"])
        response = {
            "object": "response",
            "status": self._status,
            "output": self._output,
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": self._usage and _counted(self._usage),
            "artemis": self._artemis,
        }
        yield self._event(f"response.{self._status}", response=response)

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = _encode({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _counted(usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage["prompt_tokens_details"],
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
