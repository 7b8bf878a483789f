"""Everything that one stand-in account holds: objects, time, events and what happens to them."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.billing.emulator import identifiers
from apps.billing.emulator.errors import no_such
from apps.billing.emulator.settings import Settings
from apps.billing.emulator.store import Object, Store

AHEAD = "seconds ahead"
"""Among the counters: by how much the wall's clock was put forward."""
API_VERSION = "2026-05-27.dahlia"
ACCOUNT = "acct_1ArtemisStandIn"
UNSAID = {"balance_transaction": ("livemode",), "refund": ("livemode",), "invoiceitem": ("created",)}
"""What the API shows of every other kind."""


@dataclass(frozen=True)
class Origin:
    """The request that an event comes from; both None for what happens by itself."""

    request: str | None = None
    idempotency_key: str | None = None


class World:
    """Changes to objects go through `add`, `change` and `remove`, so that each has its event."""

    def __init__(self, settings: Settings, publish: Callable[[Object], int]) -> None:
        """`publish` takes a new event and returns to how many endpoints it goes."""
        self.settings = settings
        self.store = Store()
        self.origin = Origin()
        self.pretended_now: int | None = None
        self._publish = publish

    # Time: each customer may live by a test clock.

    def now(self, clock: str | None = None) -> int:
        found = self.store.find("test_helpers.test_clock", clock)
        if found is not None:
            return int(found["frozen_time"])
        if self.pretended_now is not None:
            return self.pretended_now
        return int(time.time()) + self.store.counters.get(AHEAD, 0)

    def now_for(self, customer: str | None) -> int:
        return self.now(self.clock_of(customer))

    def clock_of(self, customer: str | None) -> str | None:
        found = self.store.find("customer", customer)
        return None if found is None else found["test_clock"]

    # Objects.

    def get(self, kind: str, identifier: str, *, param: str = "id", noun: str | None = None) -> Object:
        """Raises StripeError (resource_missing) for one that there is not; the status is 404 for `id`."""
        found = self.store.find(kind, identifier)
        if found is None:
            noun = noun or kind.rsplit(".", 1)[-1]
            raise no_such(noun, identifier, param=param, status=404 if param == "id" else 400)
        return found

    def add(self, kind: str, fields: Object, event: str | None = None, **hidden: Any) -> Object:
        """A new object; `id` and `created` may be among the fields."""
        identifier = fields.get("id") or identifiers.new(kind)
        created = fields.get("created") or self.now_for(fields.get("customer"))
        thing = {"id": identifier, "object": kind, "created": created, "livemode": False}
        for name in UNSAID.get(kind, ()):
            del thing[name]
        thing |= {name: value for name, value in fields.items() if name not in thing}
        self.store.add(thing, **hidden)
        if event is not None:
            self.emit(event, thing)
        return thing

    def change(self, thing: Object, event: str | None = None, **fields: Any) -> Object:
        """Silent where nothing differs."""
        before = {name: copy.deepcopy(thing.get(name)) for name in fields}
        thing |= fields
        previous = differences(before, fields)
        if previous:
            self.store.changed = True
            if event is not None:
                self.emit(event, thing, previous)
        return thing

    def remove(self, thing: Object, event: str | None = None) -> Object:
        """What the API answers to a deletion."""
        self.store.remove(thing)
        if event is not None:
            self.emit(event, thing)
        return {"id": thing["id"], "object": thing["object"], "deleted": True}

    def emit(self, kind: str, thing: Object, previous: Object | None = None) -> Object:
        """An event with the object as it is now."""
        data: Object = {"object": copy.deepcopy(thing)}
        if previous:
            data["previous_attributes"] = previous
        event = {
            "id": identifiers.new("event"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(thing.get("test_clock") or self.clock_of(_customer(thing))),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.origin.request, "idempotency_key": self.origin.idempotency_key},
            "type": kind,
        }
        self.store.add(event)
        event["pending_webhooks"] = self._publish(event)
        return event

    def emit_thin(self, kind: str, data: Object, related: Object | None, *, created: str) -> Object:
        """An event of version 2 of the API: who hears of it fetches its data."""
        event = {
            "id": identifiers.new("v2.core.event"),
            "object": "v2.core.event",
            "context": None,
            "created": created,
            "data": data,
            "livemode": False,
            "reason": None,
            "related_object": related,
            "type": kind,
        }
        self.store.add(event)
        self._publish(event)
        return event


def _customer(thing: Object) -> str | None:
    return thing["id"] if thing["object"] == "customer" else thing.get("customer")


def differences(before: Object, after: Object) -> Object:
    """The former values of what differs; of nested objects only the parts that do."""
    found: Object = {}
    for name, value in after.items():
        former = before.get(name)
        if former == value:
            continue
        if isinstance(former, dict) and isinstance(value, dict) and value.get("object") != "list":
            gone = {key: former[key] for key in former if key not in value}
            found[name] = {**differences(former, value), **gone}
        else:
            found[name] = former
    return found
