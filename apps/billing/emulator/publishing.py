"""Which endpoints hear of an event."""

from fnmatch import fnmatchcase

from apps.billing.emulator import deliveries
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def publish(world: World, outbox: deliveries.Deliveries, event: Object) -> int:
    """Hand the event to each enabled endpoint that asked for its type; returns to how many."""
    endpoints = [
        endpoint
        for endpoint in world.store.all("webhook_endpoint")
        if endpoint["status"] == "enabled"
        and any(fnmatchcase(event["type"], pattern) for pattern in endpoint["enabled_events"])
    ]
    if endpoints:
        body = deliveries.encode({**event, "pending_webhooks": len(endpoints)})
        for endpoint in endpoints:
            resend(world, outbox, event, endpoint, body)
    return len(endpoints)


def resend(
    world: World, outbox: deliveries.Deliveries, event: Object, endpoint: Object, body: bytes | None = None
) -> None:
    secrets = world.store.known(endpoint)["secrets"]
    outbox.add(event=event, endpoint=endpoint, secrets=secrets, body=body or deliveries.encode(event))
