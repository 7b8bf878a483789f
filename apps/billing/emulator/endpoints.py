"""An endpoint as it is declared, and the table in which a request finds it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.billing.emulator.parameters import EXPAND, Fields, Parameter
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

Handler = Callable[..., Object]
"""Takes the world, the checked fields, and what stands in the path's braces."""
PLACE = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    """Parts in braces are handed to the handler in their order."""
    handler: Handler
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    json: bool = False
    """Version 2 of the API speaks JSON."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("^" + PLACE.sub(r"([^/]+)", self.path) + "$")

    @property
    def accepted(self) -> Mapping[str, Parameter]:
        return {"expand": EXPAND, **self.parameters}


class Table:
    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._exact: dict[tuple[str, str], Endpoint] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Endpoint]] = []
        for endpoint in self.endpoints:
            if "{" in endpoint.path:
                self._patterns.append((endpoint.method, endpoint.pattern, endpoint))
            else:
                self._exact[endpoint.method, endpoint.path] = endpoint

    def find(self, method: str, path: str) -> tuple[Endpoint, tuple[str, ...]] | None:
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, ()
        for known, pattern, endpoint in self._patterns:
            match = pattern.match(path) if known == method else None
            if match:
                return endpoint, match.groups()
        return None


def retrieval(path: str, kind: str, *, noun: str | None = None) -> Endpoint:
    """GET of one object, whose identifier ends the path."""

    def retrieve(world: World, fields: Fields, identifier: str) -> Object:
        return world.get(kind, identifier, noun=noun)

    return Endpoint("GET", path, retrieve)


def only(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the fields that were given."""
    return {name: fields[name] for name in names if name in fields}
