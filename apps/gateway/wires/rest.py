"""Another engine's chunks of chat as the rest of an answer that was begun in another dialect."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from inference.errors import EngineGarbled


@dataclass(slots=True, kw_only=True)
class RestOfParts:
    """A RestWriter for dialects in which each text and each call begins and ends. A subclass writes the events.

    `_finish`: the choice that ended the answer.
    """

    _calls: int = 0
    _finish: dict[str, Any] = field(default_factory=dict)
    _usage: dict[str, Any] | None = None
    _artemis: Any = None

    def event(self, chunk: dict[str, Any]) -> bytes:
        self._usage = chunk.get("usage") or self._usage
        self._artemis = chunk.get("artemis") or self._artemis
        parts: list[bytes] = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("content"):
                parts += self._text(delta["content"])
            for call in delta.get("tool_calls") or ():
                parts += self._call(call)
            if choice.get("finish_reason"):
                self._finish = choice
        return b"".join(parts)

    def done(self) -> bytes:
        return b"".join(self._end())

    def _call(self, call: dict[str, Any]) -> Iterable[bytes]:
        """Calls come one after another, each with its name first."""
        function = call.get("function") or {}
        if function.get("name"):
            self._calls += 1
            yield from self._begin_call(call.get("id") or f"call_{secrets.token_hex(12)}", function["name"])
        elif not self._calls or call.get("index", 0) != self._calls - 1:
            raise EngineGarbled("the engine told a part of a call that it had not begun")
        if function.get("arguments"):
            yield self._arguments(function["arguments"])

    def _text(self, text: str) -> Iterable[bytes]:
        raise NotImplementedError

    def _begin_call(self, identifier: str, name: str) -> Iterable[bytes]:
        raise NotImplementedError

    def _arguments(self, part: str) -> bytes:
        raise NotImplementedError

    def _end(self) -> Iterable[bytes]:
        raise NotImplementedError
