"""The response object as its caller sees it: what was asked is ours to say again, what was answered is the engine's."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.responses.citing import annotated
from apps.responses.contracts import Asked, Item
from apps.responses.items import completed

UNASKED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {},
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": None,
    "text": {},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = 0
    cache_write_tokens: int | None = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = 0


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int | None = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class Answered(msgspec.Struct):
    """What an engine's response says itself; `artemis`: who spoke, where it was more than one."""

    status: str
    output: list[Item]
    usage: _Usage | None = None
    incomplete_details: dict[str, Any] | None = None
    artemis: dict[str, Any] | None = None


encode = msgspec.json.Encoder().encode
answered = msgspec.json.Decoder(Answered).decode


@dataclass(frozen=True, slots=True)
class Draft:
    """One response on its way. Its id is ours: the engine's own would name nothing here."""

    model: str
    asked: Asked
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    created_at: int = field(default_factory=lambda: int(time.time()))

    def queued(self) -> dict[str, Any]:
        return self._object(status="queued", output=[])

    def begun(self) -> dict[str, Any]:
        return self._object(status="in_progress", output=[])

    def finished(self, answered: Answered) -> dict[str, Any]:
        details = None
        if answered.status == "incomplete":
            details = {"reason": (answered.incomplete_details or {}).get("reason") or "max_output_tokens"}
        return self._object(
            status=answered.status,
            output=self._output(answered.output),
            incomplete_details=details,
            usage=answered.usage and _usage(answered.usage),
            completed_at=int(time.time()) if answered.status == "completed" else None,
            **({"artemis": answered.artemis} if answered.artemis else {}),
        )

    def _output(self, items: list[Item]) -> list[Item]:
        found, output = self.asked.found, [completed(item) for item in items]
        return [found.item, *(annotated(item, found) for item in output)] if found else output

    def _object(self, **told: Any) -> dict[str, Any]:
        asked = self.asked
        repeated = UNASKED | {name: value for name, value in asked.repeated.items() if name in UNASKED}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "completed_at": None,
            "model": self.model,
            "error": None,
            "incomplete_details": None,
            "usage": None,
            **repeated,
            "reasoning": {"effort": None, "summary": None, **repeated["reasoning"]},
            "text": {"format": {"type": "text"}, **repeated["text"]},
            "previous_response_id": asked.previous_response_id or None,
            "store": asked.store,
            **told,
        }


def with_fields(body: bytes, **told: Any) -> bytes:
    """A response object, otherwise as it was written."""
    return encode(msgspec.json.decode(body, type=dict[str, Any]) | told)


def _usage(usage: _Usage) -> dict[str, Any]:
    read, made = usage.input_tokens_details or _InputDetails(), usage.output_tokens_details or _OutputDetails()
    output = usage.output_tokens or 0
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": read.cached_tokens or 0,
            "cache_write_tokens": read.cache_write_tokens or 0,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": made.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + output,
    }
