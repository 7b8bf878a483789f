"""What other rooms see of logged prompts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

QUEUE = "art:prompts"
"""In Redis, from gateways to workers: sealed, never more than `MOST_WAITING`, each of `MOST_BYTES` at most."""
MOST_WAITING, MOST_BYTES = 300, 384 * 1024
LOGGED_ENDPOINTS = frozenset({"chat.completions", "completions", "messages", "responses"})
Kind = Literal["text", "thought", "call", "result", "refusal", "other", "gap"]


class Heard(msgspec.Struct, kw_only=True):
    """A call as its gateway tells of it: what went to the engine, and what the caller got, as it came (deflated)."""

    request_id: str
    account: int
    endpoint: str
    started_at: datetime
    asked: dict[str, Any]
    answered: bytes
    is_whole: bool


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that was said: `name` of a function that is called; a "gap" tells of parts that are left out."""

    role: str
    kind: Kind
    text: str
    name: str = ""


class Conversation(msgspec.Struct, frozen=True):
    asked: list[Part]
    answered: list[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPrompt:
    """`conversation`: None where it can be read no more, since SECRET_KEY has changed."""

    request_id: str
    conversation: Conversation | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of an account: how many, and since when."""

    prompts: int
    oldest: datetime | None
