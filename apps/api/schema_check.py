"""Bounds what callers send as JSON of a form of their own: schemas that engines compile, arguments that they copy."""

import hashlib
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

import msgspec

from apps.common.errors import Invalid

DEEPEST = 64
MOST_VALUES = 10_000
LONGEST_PATTERN = 1000
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
Located = tuple[str, Any]
"""Where a value stands in the request, and the value."""


def check_schemas(schemas: Iterable[Located]) -> None:
    """Raises Invalid for JSON schemas that no engine should have to compile.

    Too deep, too many values in all of a request's schemas together, patterns too long, references that leave the
    schema or lead back to themselves. What only looks like a keyword is checked as if it were one.
    """
    values = 0
    for at, schema in schemas:
        references: list[str] = []
        for value, depth in _walk(schema):
            values += 1
            if depth > DEEPEST:
                raise _too_deep(at)
            if values > MOST_VALUES:
                raise Invalid(at, f"The schemas of a request have at most {MOST_VALUES} values in all.")
            if isinstance(value, dict):
                _check_patterns(value, at)
                references += _references(value)
        if any(reference != "#" and not reference.startswith("#/") for reference in references):
            raise Invalid(at, f"{at} has a $ref that leads out of it; use references like '#/$defs/name'.")
        if references and _is_recursive(schema):
            raise Invalid(at, f"{at} has a $ref that leads back to itself; recursive schemas are not offered.")


def check_depth(values: Iterable[Located]) -> None:
    """Raises Invalid for what is nested too deeply for the recursive programs that it goes through."""
    for at, value in values:
        level = _containers([value])
        for _ in range(DEEPEST):  # level by level: there may be a million values, and few of them contain any
            level = [inner for outer in level for inner in _containers(outer)]
        if level:
            raise _too_deep(at)


def _containers(outer: dict[str, Any] | list[Any]) -> list[Any]:
    """The objects and lists that stand in it."""
    return [
        member for member in (outer.values() if isinstance(outer, dict) else outer) if isinstance(member, (dict, list))
    ]


def digest(schemas: list[Located]) -> str:
    """Names a request's schemas, all of them together; empty where it has none."""
    if not schemas:
        return ""
    return hashlib.blake2b(msgspec.json.encode([schema for _, schema in schemas]), digest_size=16).hexdigest()


def _too_deep(at: str) -> Invalid:
    return Invalid(at, f"{at} is nested more than {DEEPEST} levels deep.")


def _walk(root: Any) -> Iterator[tuple[Any, int]]:
    """Each value and how many objects and lists it ends."""
    waiting = [(root, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, (dict, list)):
            depth += 1
            waiting += [(member, depth) for member in (value.values() if isinstance(value, dict) else value)]
        yield value, depth


def _check_patterns(schema: dict[str, Any], at: str) -> None:
    named = schema.get("patternProperties")
    for pattern in (schema.get("pattern"), *(named if isinstance(named, dict) else ())):
        if isinstance(pattern, str) and len(pattern) > LONGEST_PATTERN:
            raise Invalid(at, f"{at} has a pattern of more than {LONGEST_PATTERN} characters.")


def _references(schema: dict[str, Any]) -> list[str]:
    return [schema[name] for name in REFERENCES if isinstance(schema.get(name), str)]


def _is_recursive(schema: Any) -> bool:
    """Whether something that is referred to leads to itself, by what it contains and by what that refers to."""
    targets = {
        id(_resolved(schema, reference))
        for value, _ in _walk(schema)
        if isinstance(value, dict)
        for reference in _references(value)
    }
    leads: dict[int, set[int]] = {}
    waiting = [(schema, 0)]
    while waiting:
        value, inside = waiting.pop()  # `inside`: the nearest target round it
        if not isinstance(value, (dict, list)):
            continue
        if id(value) in targets:
            leads.setdefault(inside, set()).add(id(value))
            inside = id(value)
        if isinstance(value, dict):
            leads.setdefault(inside, set()).update(id(_resolved(schema, one)) for one in _references(value))
        waiting += [(member, inside) for member in (value.values() if isinstance(value, dict) else value)]
    try:
        TopologicalSorter(leads).prepare()
    except CycleError:
        return True
    return False


def _resolved(root: Any, reference: str) -> Any:
    """None where it leads nowhere: the engine says so, or does not mind."""
    found = root
    for step in reference.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) < 6:
            found = found[int(name)] if int(name) < len(found) else None
        else:
            return None
    return found
