"""Writes LiteLLM's responses as OpenAI would: events numbered, with what its clients insist on."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_WITH_LOGPROBS = frozenset({"response.output_text.delta", "response.output_text.done"})


class ResponsesWriter:
    """One answer. LiteLLM numbers few of its events, and leaves out the logprobs and the name of a function called."""

    done = b""

    def __init__(self) -> None:
        self._number = -1
        self._called: dict[str, str] = {}  # the function's name by its item's id

    def whole(self, fields: dict[str, Any]) -> bytes:
        return _encode(fields)

    def event(self, fields: dict[str, Any]) -> bytes:
        self._number += 1
        fields["sequence_number"] = self._number
        kind: str = fields["type"]
        if kind in _WITH_LOGPROBS:
            fields.setdefault("logprobs", [])
        elif kind.startswith("response.reasoning_summary_"):
            fields.setdefault("summary_index", 0)
        elif kind == "response.output_item.added":
            item = fields["item"]
            self._called[item.get("id", "")] = item.get("name", "")
        elif kind == "response.function_call_arguments.done":
            fields.setdefault("name", self._called.get(fields["item_id"], ""))
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), _encode(fields))


def without_thoughts(given: Any) -> Any:
    """The input without reasoning that only the engine that made it can read: other providers refuse it."""
    if isinstance(given, str):
        return given
    return [item for item in given if item.get("type") != "reasoning" or item.get("encrypted_content")]
