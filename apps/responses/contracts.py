"""What doors give the keeper of responses, and what they get back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of a checked request, what no engine is sent as it is. `repeated`: the fields that the response says again."""

    given: str | list[Item]
    previous_response_id: str
    store: bool
    repeated: Mapping[str, Any]


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
