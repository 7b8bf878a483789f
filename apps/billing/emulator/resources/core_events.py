"""Version 2's events, which carry no data until they are fetched, and the destinations that hear of them. JSON."""

from apps.billing.emulator import identifiers
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.metering import stamp
from apps.billing.emulator.parameters import Choice, Fields, Group, Many, Metadata, Parameter, Text, Url, Whole
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

KIND = "v2.core.event_destination"
PATH = "/v2/core/event_destinations"
FIELDS: dict[str, Parameter] = {
    "description": Text(clears=True, longest=500),
    "enabled_events": Many(Text()),
    "include": Many(Choice(("webhook_endpoint.signing_secret", "webhook_endpoint.url"))),
    "metadata": Metadata(),
    "name": Text(longest=255),
}


def create(world: World, fields: Fields) -> Object:
    secret = identifiers.signing_secret()
    moment = stamp(world.now())
    destination = {
        "id": identifiers.new(KIND),
        "object": KIND,
        "created": moment,
        "description": fields.get("description") or "",
        "enabled_events": fields["enabled_events"],
        "event_payload": fields["event_payload"],
        "events_from": ["@self"],
        "livemode": False,
        "metadata": fields.get("metadata") or {},
        "name": fields["name"],
        "snapshot_api_version": fields.get("snapshot_api_version"),
        "status": "enabled",
        "status_details": None,
        "type": fields["type"],
        "updated": moment,
        "webhook_endpoint": {"signing_secret": None, "url": None},
    }
    world.store.add(destination, secrets=[secret], url=fields["webhook_endpoint"]["url"])
    return _with(destination, fields, secret=secret, url=fields["webhook_endpoint"]["url"])


def _with(destination: Object, fields: Fields, *, secret: str | None, url: str) -> Object:
    wanted = fields.get("include", [])
    return {
        **destination,
        "webhook_endpoint": {
            "signing_secret": secret if "webhook_endpoint.signing_secret" in wanted else None,
            "url": url if "webhook_endpoint.url" in wanted else None,
        },
    }


def retrieve(world: World, fields: Fields, identifier: str) -> Object:
    destination = world.get(KIND, identifier, noun="event destination")
    return _with(destination, fields, secret=None, url=world.store.known(destination)["url"])


def update(world: World, fields: Fields, identifier: str) -> Object:
    destination = world.get(KIND, identifier, noun="event destination")
    return world.change(destination, None, **only(fields, "description", "enabled_events", "metadata", "name"))


def enable(world: World, fields: Fields, identifier: str) -> Object:
    return world.change(world.get(KIND, identifier, noun="event destination"), None, status="enabled")


def disable(world: World, fields: Fields, identifier: str) -> Object:
    return world.change(world.get(KIND, identifier, noun="event destination"), None, status="disabled")


def delete(world: World, fields: Fields, identifier: str) -> Object:
    world.remove(world.get(KIND, identifier, noun="event destination"))
    return {"id": identifier, "object": KIND}


def _list(world: World, kind: str, path: str, fields: Fields) -> Object:
    """Without cursors: the newest ones."""
    found = list(world.store.all(kind))[::-1]
    return {"data": found[: fields.get("limit", 20)], "next_page_url": None, "previous_page_url": None}


def list_destinations(world: World, fields: Fields) -> Object:
    return _list(world, KIND, PATH, fields)


def list_events(world: World, fields: Fields) -> Object:
    listed = _list(world, "v2.core.event", "/v2/core/events", fields)
    if "object_id" in fields:
        listed["data"] = [
            event for event in listed["data"] if (event["related_object"] or {}).get("id") == fields["object_id"]
        ]
    return listed


ENDPOINTS = (
    Endpoint(
        "POST",
        PATH,
        create,
        {
            **FIELDS,
            "enabled_events": Many(Text(), required=True),
            "event_payload": Choice(("snapshot", "thin"), required=True),
            "events_from": Many(Text()),
            "name": Text(required=True, longest=255),
            "snapshot_api_version": Text(),
            "type": Choice(("webhook_endpoint",), required=True),
            "webhook_endpoint": Group({"url": Url(required=True)}, required=True),
        },
        json=True,
    ),
    Endpoint("GET", PATH, list_destinations, {"limit": Whole(least=1, most=100), "include": FIELDS["include"]}),
    Endpoint("GET", PATH + "/{destination}", retrieve, {"include": FIELDS["include"]}),
    Endpoint("POST", PATH + "/{destination}", update, FIELDS, json=True),
    Endpoint("POST", PATH + "/{destination}/enable", enable, json=True),
    Endpoint("POST", PATH + "/{destination}/disable", disable, json=True),
    Endpoint("DELETE", PATH + "/{destination}", delete),
    Endpoint("GET", "/v2/core/events", list_events, {"limit": Whole(least=1, most=100), "object_id": Text()}),
    retrieval("/v2/core/events/{event}", "v2.core.event", noun="event"),
)
