"""Stripe's request bodies: forms whose names carry brackets, `items[0][price]=…`, `expand[]=…`."""

import re
from typing import Any
from urllib.parse import parse_qsl

from apps.billing.emulator.errors import InvalidParameter

NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
BRACKETED = re.compile(r"\[([^\[\]]*)\]")
DEEPEST = 8


def parse(encoded: str) -> dict[str, Any]:
    """Strings and dictionaries of them, also for lists; raises InvalidParameter for a name that cannot be read."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        match = NAME.match(name)
        parts = [match[1], *BRACKETED.findall(match[2])] if match else []
        if not 0 < len(parts) <= DEEPEST:
            raise InvalidParameter(f"Invalid parameter name: {name[:100]}", param=name[:100])
        _place(found, parts, value)
    return found


def _place(target: dict[str, Any], parts: list[str], value: str) -> None:
    head, rest = parts[0], parts[1:]
    if not head:
        head = _next_index(target, rest)
    if not rest:
        target[head] = value
        return
    inner = target.setdefault(head, {})
    if not isinstance(inner, dict):
        raise InvalidParameter("Invalid object", param=head)
    _place(inner, rest, value)


def _next_index(target: dict[str, Any], rest: list[str]) -> str:
    """`items[][price]=a&items[][quantity]=1` is one item: a name that comes again begins the next."""
    last = str(len(target) - 1)
    if rest and target and isinstance(target.get(last), dict) and rest[0] not in target[last]:
        return last
    return str(len(target))


def listed(value: Any) -> Any:
    """A dictionary whose names are numbers, as the list that it may be: what it is, only the parameter knows."""
    if isinstance(value, dict) and value and all(name.isdecimal() for name in value):
        return [value[name] for name in sorted(value, key=int)]
    return value


def readable(value: Any) -> Any:
    """For people: lists wherever there may be some."""
    if not isinstance(value, dict):
        return value
    return listed({name: readable(one) for name, one in value.items()})
