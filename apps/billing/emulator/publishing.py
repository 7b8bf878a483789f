"""Which endpoints hear of an event: webhook endpoints of snapshots, event destinations of thin ones, or of both."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from apps.billing.emulator import deliveries
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

UNTOLD = ("data", "reason")
"""What a thin event leaves out of its webhook."""


def publish(world: World, outbox: deliveries.Deliveries, event: Object) -> int:
    """Hand the event to each enabled endpoint that asked for its type; returns to how many."""
    receivers = list(_receivers(world, event))
    if receivers:
        if event["object"] == "event":
            event = {**event, "pending_webhooks": len(receivers)}
        body = deliveries.encode(_told(event))
        for endpoint, url in receivers:
            secrets = world.store.known(endpoint)["secrets"]
            outbox.add(event=event, endpoint=endpoint["id"], url=url, secrets=secrets, body=body)
    return len(receivers)


def _told(event: Object) -> Object:
    if event["object"] == "event":
        return event
    return {name: value for name, value in event.items() if name not in UNTOLD}


def _receivers(world: World, event: Object) -> Iterator[tuple[Object, str]]:
    snapshot = event["object"] == "event"
    if snapshot:
        for endpoint in world.store.all("webhook_endpoint"):
            if _listens(endpoint, event):
                yield endpoint, endpoint["url"]
    for destination in world.store.all("v2.core.event_destination"):
        if _listens(destination, event) and (destination["event_payload"] == "snapshot") == snapshot:
            yield destination, world.store.known(destination)["url"]


def _listens(endpoint: Object, event: Object) -> bool:
    patterns = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and any(fnmatchcase(event["type"], pattern) for pattern in patterns)
