"""`expand[]`: references become the objects that they name; some fields are there only when asked for."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DEEPEST = 4
Included = Mapping[tuple[str, str], Callable[[World, Object], Any]]
"""By kind and field: what makes the field where it is asked for."""


def expand(world: World, thing: Object, paths: list[str], included: Included) -> Object:
    """A copy; raises StripeError for a path that leads nowhere."""
    result = copy.deepcopy(thing)
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEEPEST:
            raise StripeError(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}", param="expand"
            )
        _expand(world, result, parts, path, included)
    return result


def _expand(world: World, thing: Any, parts: list[str], path: str, included: Included) -> None:
    if not parts or thing is None:
        return
    if isinstance(thing, list):
        for one in thing:
            _expand(world, one, parts, path, included)
        return
    if thing.get("deleted"):  # it has nothing but its id
        return
    name, rest = parts[0], parts[1:]
    make = included.get((thing.get("object", ""), name))
    if make is not None and not isinstance(thing.get(name), dict):
        thing[name] = copy.deepcopy(make(world, thing))
    elif name not in thing:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    thing[name] = _referred(world, thing[name], path, last=not rest)
    _expand(world, thing[name], rest, path, included)


def _referred(world: World, value: Any, path: str, *, last: bool) -> Any:
    """The objects in place of their identifiers."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [_referred(world, one, path, last=last) for one in value]
    if not isinstance(value, str):
        return value
    found = world.store.by_identifier(value)
    if found is None and world.store.kinds.get(value):
        return {"id": value, "object": world.store.kinds[value], "deleted": True}
    if found is None:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    return copy.deepcopy(found)
