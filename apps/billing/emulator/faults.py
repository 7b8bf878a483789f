"""Faults that a test orders: how the next requests that match are to fail."""

import dataclasses
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


class FaultError(ValueError):
    """An order that says something unknown."""


@dataclass(frozen=True)
class Fault:
    path: str = "*"
    """With * for anything."""
    method: str | None = None
    times: int = 1
    status: int | None = None
    """Answer this, in Stripe's envelope."""
    close: bool = False
    """Close the connection instead of an answer."""
    delay: float = 0.0
    """Seconds before the answer."""
    after_effect: bool = False
    """Do first what was asked; only the answer is lost."""
    malformed: bool = False
    """200 and a body that is not JSON."""
    retry_after: str | None = None

    @classmethod
    def parse(cls, fields: Any) -> "Fault":
        if not isinstance(fields, dict):
            raise FaultError("a fault is a JSON object")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(fields.keys() - known):
            raise FaultError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return cls(**fields)

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and fnmatchcase(path, self.path)


class Faults:
    def __init__(self) -> None:
        self._ordered: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        self._ordered.append((fault, [0]))

    def take(self, method: str, path: str) -> Fault | None:
        """The oldest that matches."""
        for position, (fault, taken) in enumerate(self._ordered):
            if fault.matches(method, path):
                taken[0] += 1
                if taken[0] >= fault.times:
                    del self._ordered[position]
                return fault
        return None

    def reset(self) -> None:
        self._ordered.clear()
