"""Writes LiteLLM's responses as OpenAI would: events numbered, with what its clients insist on."""

from typing import Any

import msgspec

ENDS = frozenset({"response.completed", "response.incomplete"})
"""The events that carry the finished response."""
_encode = msgspec.json.Encoder().encode
_WITH_LOGPROBS = frozenset({"response.output_text.delta", "response.output_text.done"})

_CHATS = frozenset(
    {"input", "instructions", "max_output_tokens", "parallel_tool_calls", "reasoning", "store", "stream"}
    | {"temperature", "text", "tool_choice", "tools", "top_p"}
)
_NOT_CHATS = frozenset({"include", "top_logprobs", "truncation"})


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


def as_chat(payload: dict[str, Any], *, extensions: bool) -> dict[str, Any]:
    """A request for a response as LiteLLM turns it into chat, whoever the provider is: its other ways change limits
    and feign streams.

    Without reasoning that only the engine that made it can read, for other providers refuse it; the extensions of an
    engine of ours go to none but those.
    """
    asked = {name: value for name, value in payload.items() if name in _CHATS}
    if not isinstance(asked["input"], str):
        asked["input"] = [
            item for item in asked["input"] if item.get("type") != "reasoning" or item.get("encrypted_content")
        ]
    if extensions:
        asked["extra_body"] = {name: value for name, value in payload.items() if name not in _CHATS | _NOT_CHATS}
    return {**asked, "use_chat_completions_api": True}
