"""Compares JSON with the types that Stripe's own client declares: fields that lack, are unknown, or of a wrong type."""

import decimal
import types
from collections.abc import Iterator
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe
from stripe._object_classes import get_object_class

SIMPLE = {int: int, str: str, bool: bool, float: (int, float), decimal.Decimal: str}
OLDER = {
    ("charge", "destination"),
    ("charge", "dispute"),
    ("charge", "order"),
    ("product", "attributes"),
    ("customer", "discount"),
    ("payment_intent", "source"),
}
"""Fields that Stripe sends, and the client's types no longer name."""


def problems(thing: dict[str, Any]) -> list[str]:
    """Of an object with its own name, such as a customer."""
    found = get_object_class("V1", thing["object"])
    return list(_of_class(thing, found, thing["object"]))


def _of_class(value: Any, declared: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path} is no object"
        return
    annotations = _annotations(declared)
    for name, annotation in annotations.items():
        if name in value:
            yield from _of(value[name], annotation, f"{path}.{name}")
        elif not _may_lack(annotation):
            yield f"{path}.{name} lacks"
    for name in value.keys() - annotations.keys():
        if annotations and (path, name) not in OLDER:
            yield f"{path}.{name} is unknown"


def _annotations(declared: type) -> dict[str, Any]:
    hidden = ("OBJECT_NAME", "deleted", "_inner_class_types", "_field_encodings")
    own = vars(declared).get("__annotations__", {})
    return {name: annotation for name, annotation in own.items() if name not in hidden}


def _may_lack(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _of(value: Any, annotation: Any, path: str) -> Iterator[str]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        yield from _of_union(value, inner, path)
    elif origin is Literal:
        if value not in inner:
            yield f"{path} is {value!r}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for one in value:
            yield from _of(one, inner[0], f"{path}[]")
    elif origin is not None:
        yield from _of_generic(value, origin, path)
    elif isinstance(annotation, type):
        yield from _of_type(value, annotation, path)


def _of_type(value: Any, declared: type, path: str) -> Iterator[str]:
    if declared not in SIMPLE:
        yield from _of_class(value, declared, path)
    elif not isinstance(value, SIMPLE[declared]) or (isinstance(value, bool) and declared is not bool):
        yield f"{path} is {value!r}, not {declared.__name__}"


def _of_generic(value: Any, origin: Any, path: str) -> Iterator[str]:
    if origin is stripe.ListObject:
        for name in ("data", "has_more", "url"):
            if name not in value:
                yield f"{path}.{name} lacks"
        for one in value.get("data", []):
            yield from problems(one)
    elif not isinstance(value, dict):
        yield f"{path} is no object"


def _of_union(value: Any, inner: tuple[Any, ...], path: str) -> Iterator[str]:
    if value is None:
        if type(None) not in inner:
            yield f"{path} is null"
        return
    options = [one for one in inner if one is not type(None)]
    if any(isinstance(one, ForwardRef) for one in options):
        if isinstance(value, dict):
            yield from problems(value)
        elif not isinstance(value, str):
            yield f"{path} is {value!r}"
        return
    words = [get_args(one) for one in options if get_origin(one) is Literal]
    if words:
        if value not in words[0]:
            yield f"{path} is {value!r}"
        return
    yield from min((list(_of(value, one, path)) for one in options), key=len)
