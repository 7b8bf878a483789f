"""The state: Stripe's objects as the API shows them, and what only the emulator knows of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

Object = dict[str, Any]


class Store:
    """Objects by kind and identifier, in the order in which they were made. References are identifiers."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Object]] = {}
        self.kinds: dict[str, str] = {}
        self.hidden: dict[str, Object] = {}
        self.counters: dict[str, int] = {}
        self.changed = False

    def add(self, thing: Object, **hidden: Any) -> Object:
        kind, identifier = thing["object"], thing["id"]
        self.tables.setdefault(kind, {})[identifier] = thing
        self.kinds[identifier] = kind
        if hidden:
            self.hidden[identifier] = hidden
        self.changed = True
        return thing

    def remove(self, thing: Object) -> None:
        """The identifier stays known: a deleted customer can still be asked for."""
        del self.tables[thing["object"]][thing["id"]]
        self.hidden.pop(thing["id"], None)
        self.changed = True

    def find(self, kind: str, identifier: str | None) -> Object | None:
        return self.tables.get(kind, {}).get(identifier or "")

    def by_identifier(self, identifier: str) -> Object | None:
        kind = self.kinds.get(identifier)
        return None if kind is None else self.find(kind, identifier)

    def was(self, kind: str, identifier: str) -> bool:
        """Whether there was such an object that is deleted now."""
        return self.kinds.get(identifier) == kind and self.find(kind, identifier) is None

    def all(self, kind: str) -> Iterator[Object]:
        """Oldest first; may be added to meanwhile."""
        return iter(list(self.tables.get(kind, {}).values()))

    def known(self, thing: Object) -> Object:
        """What only the emulator knows of it; not to be changed."""
        return self.hidden.get(thing["id"], {})

    def remember(self, thing: Object, **known: Any) -> None:
        self.hidden[thing["id"]] = {**self.known(thing), **known}
        self.changed = True

    def count(self, name: str) -> int:
        """The next number of a series, from 1."""
        self.counters[name] = self.counters.get(name, 0) + 1
        self.changed = True
        return self.counters[name]

    def reset(self) -> None:
        for part in (self.tables, self.kinds, self.hidden, self.counters):
            part.clear()
        self.changed = True

    def save(self, path: Path, **beside: Any) -> None:
        """Atomically, with what else is to be kept: a crash in between leaves the former state."""
        state = {
            "tables": self.tables,
            "kinds": self.kinds,
            "hidden": self.hidden,
            "counters": self.counters,
            "beside": beside,
        }
        waiting = path.with_name(path.name + ".new")
        descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)
        self.changed = False

    def load(self, path: Path) -> Object:
        """What was kept beside it; empty where there is no file yet."""
        if not path.exists():
            return {}
        state = msgspec.json.decode(path.read_bytes())
        self.tables, self.kinds = state["tables"], state["kinds"]
        self.hidden, self.counters = state["hidden"], state["counters"]
        beside: Object = state["beside"]
        return beside
