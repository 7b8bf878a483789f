"""What doors give the keeper of responses, and what they get back."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from inference.client import TimeLimits

Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was searched for before an engine is asked. `item`: the search, as the response's first output item;
    `told`: to the engine, behind the caller's instructions; `annotations`: of a text that it answers."""

    item: Item
    told: str
    annotations: Callable[[str], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of a checked request, what no engine is sent as it is. `repeated`: the fields that the response says again."""

    given: str | list[Item]
    previous_response_id: str
    store: bool
    repeated: Mapping[str, Any]
    found: Found | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """A part of a response's input items, in the order that was asked for."""

    items: list[Item]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The items of a conversation so far, and how many bytes they are."""

    items: list[Item]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A response that is to be made in the background. `prepaid`: it was charged before, and the answer was lost with
    its worker. `request`: as it came; `request_id`: what this try is settled under, once."""

    response_id: str
    created_at: int
    request_id: str
    request: bytes
    secret_hash: str
    address: str
    end_user: str
    limits: TimeLimits
    prepaid: bool


Ask = Callable[[Errand], Coroutine[Any, Any, bytes]]
"""The door through which it is asked for, with every check that a live request meets: the response object as JSON.
Raises ArtemisError."""
