"""Lists: newest first, filtered, and cut into pages by `limit`, `starting_after` and `ending_before`."""

from collections.abc import Callable, Mapping
from typing import Any

from apps.billing.emulator.endpoints import Endpoint
from apps.billing.emulator.errors import StripeError, no_such
from apps.billing.emulator.parameters import Fields, Parameter, Text, Times, Whole
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DEFAULT_LIMIT = 10
PAGING: Mapping[str, Parameter] = {
    "limit": Whole(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
}
Holds = Callable[[Object, Any], bool]


def page(things: list[Object], fields: Fields, url: str) -> Object:
    """`things` newest first; raises StripeError for a cursor that is not among them."""
    limit = fields.get("limit", DEFAULT_LIMIT)
    if "starting_after" in fields and "ending_before" in fields:
        raise StripeError("Received both starting_after and ending_before. Use just one.", param="starting_after")
    if "ending_before" in fields:
        before = things[: _position(things, fields["ending_before"], "ending_before")]
        return wrap(before[-limit:], url, has_more=len(before) > limit)
    if "starting_after" in fields:
        things = things[_position(things, fields["starting_after"], "starting_after") + 1 :]
    return wrap(things[:limit], url, has_more=len(things) > limit)


def wrap(things: list[Object], url: str, *, has_more: bool = False) -> Object:
    return {"object": "list", "data": things, "has_more": has_more, "url": url}


def _position(things: list[Object], identifier: str, param: str) -> int:
    for position, thing in enumerate(things):
        if thing["id"] == identifier:
            return position
    raise no_such("object", identifier, param=param)


def in_range(value: int, bounds: Mapping[str, int]) -> bool:
    return (
        value > bounds.get("gt", -1)
        and value >= bounds.get("gte", 0)
        and value < bounds.get("lt", value + 1)
        and value <= bounds.get("lte", value)
    )


def listing(
    path: str,
    kind: str,
    filters: Mapping[str, Parameter] | None = None,
    holds: Mapping[str, Holds] | None = None,
    *,
    by_time: bool = True,
) -> Endpoint:
    """A filter compares the field of its name, unless `holds` says how it is decided. Most can ask for `created`."""
    filters = {**({"created": Times()} if by_time else {}), **(filters or {})}
    decides: dict[str, Holds] = {
        "created": lambda thing, bounds: in_range(thing.get("created") or thing["date"], bounds),
        **(holds or {}),
    }

    def agrees(thing: Object, fields: Fields) -> bool:
        return all(
            decides[name](thing, fields[name]) if name in decides else thing.get(name) == fields[name]
            for name in filters
            if name in fields
        )

    def handle(world: World, fields: Fields) -> Object:
        found = [thing for thing in world.store.all(kind) if agrees(thing, fields)]
        return page(found[::-1], fields, path)

    return Endpoint("GET", path, handle, {**PAGING, **filters})
