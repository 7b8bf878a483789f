"""Webhook endpoints. The signing secret is shown once, to whoever made the endpoint."""

from apps.billing.emulator import identifiers
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    METADATA,
    Fields,
    Flag,
    Many,
    Parameter,
    Text,
    Url,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FIELDS: dict[str, Parameter] = {
    "description": Text(clears=True),
    "metadata": METADATA,
}


def create(world: World, fields: Fields) -> Object:
    secret = identifiers.signing_secret()
    endpoint = world.add(
        "webhook_endpoint",
        {
            "api_version": fields.get("api_version"),
            "application": None,
            "description": fields.get("description"),
            "enabled_events": fields["enabled_events"],
            "metadata": merge_metadata({}, fields.get("metadata", {})),
            "status": "enabled",
            "url": fields["url"],
        },
        secrets=[secret],
    )
    return {**endpoint, "secret": secret}


def update(world: World, fields: Fields, identifier: str) -> Object:
    endpoint = world.get("webhook_endpoint", identifier, noun="webhook endpoint")
    changes = only(fields, "description", "enabled_events", "url")
    if "disabled" in fields:
        changes["status"] = "disabled" if fields["disabled"] else "enabled"
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(endpoint["metadata"], fields["metadata"])
    return world.change(endpoint, None, **changes)


def delete(world: World, fields: Fields, identifier: str) -> Object:
    return world.remove(world.get("webhook_endpoint", identifier, noun="webhook endpoint"))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/webhook_endpoints",
        create,
        {
            **FIELDS,
            "api_version": Text(),
            "enabled_events": Many(Text(), required=True),
            "url": Url(required=True),
        },
    ),
    listing("/v1/webhook_endpoints", "webhook_endpoint", by_time=False),
    retrieval("/v1/webhook_endpoints/{endpoint}", "webhook_endpoint", noun="webhook endpoint"),
    Endpoint(
        "POST",
        "/v1/webhook_endpoints/{endpoint}",
        update,
        {**FIELDS, "disabled": Flag(), "enabled_events": Many(Text()), "url": Url()},
    ),
    Endpoint("DELETE", "/v1/webhook_endpoints/{endpoint}", delete),
)
