"""Billing meters, the events that they count, and their sums."""

from apps.billing.emulator import metering
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.identifiers import new
from apps.billing.emulator.listing import PAGING, listing, page
from apps.billing.emulator.parameters import Choice, Fields, Group, Names, Text, Whole
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

KIND = "billing.meter"
WINDOWS = {"hour": 3600, "day": 86_400}


def create(world: World, fields: Fields) -> Object:
    for other in world.store.all(KIND):
        if other["event_name"] == fields["event_name"] and other["status"] == "active":
            raise StripeError(
                f"An active meter ({other['id']}) already exists for the event name {fields['event_name']}.",
                code="resource_already_exists",
                param="event_name",
            )
    now = world.now()
    return world.add(
        KIND,
        {
            "created": now,
            "customer_mapping": fields.get(
                "customer_mapping", {"event_payload_key": "stripe_customer_id", "type": "by_id"}
            ),
            "default_aggregation": fields["default_aggregation"],
            "display_name": fields["display_name"],
            "event_name": fields["event_name"],
            "event_time_window": fields.get("event_time_window"),
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": now,
            "value_settings": fields.get("value_settings", {"event_payload_key": "value"}),
        },
        "billing.meter.created",
    )


def update(world: World, fields: Fields, identifier: str) -> Object:
    meter = world.get(KIND, identifier)
    return world.change(meter, "billing.meter.updated", updated=world.now(), **only(fields, "display_name"))


def deactivate(world: World, fields: Fields, identifier: str) -> Object:
    return _switch(world, identifier, "inactive", "billing.meter.deactivated")


def reactivate(world: World, fields: Fields, identifier: str) -> Object:
    return _switch(world, identifier, "active", "billing.meter.reactivated")


def _switch(world: World, identifier: str, status: str, event: str) -> Object:
    meter = world.get(KIND, identifier)
    if meter["status"] == status:
        raise StripeError(f"The meter is {status} already.")
    now = world.now()
    transitions = {"deactivated_at": now if status == "inactive" else None}
    return world.change(meter, event, status=status, status_transitions=transitions, updated=now)


def summaries(world: World, fields: Fields, identifier: str) -> Object:
    meter = world.get(KIND, identifier)
    world.get("customer", fields["customer"], param="customer")
    start, end = fields["start_time"], fields["end_time"]
    for name, moment in (("start_time", start), ("end_time", end)):
        if moment % 60:
            raise StripeError(f"{name} must align with minute boundaries.", param=name)
    if end <= start:
        raise StripeError("end_time must be after start_time.", param="end_time")
    step = WINDOWS.get(fields.get("value_grouping_window", ""), end - start)
    if start % step and step in WINDOWS.values():
        raise StripeError("start_time must align with the window's boundaries.", param="start_time")
    found = []
    for begin in range(start, end, step):
        finish = min(begin + step, end)
        value = metering.total(world, meter, fields["customer"], begin, finish)
        if value or step == end - start:
            found.append(
                {
                    "id": new("billing.meter_event_summary"),
                    "object": "billing.meter_event_summary",
                    "aggregated_value": value,
                    "end_time": finish,
                    "livemode": False,
                    "meter": identifier,
                    "start_time": begin,
                }
            )
    return page(found[::-1], fields, f"/v1/billing/meters/{identifier}/event_summaries")


def adjust(world: World, fields: Fields) -> Object:
    identifier = fields["cancel"]["identifier"]
    metering.cancel(world, fields["event_name"], identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": fields["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/billing/meters",
        create,
        {
            "customer_mapping": Group(
                {"event_payload_key": Text(required=True, longest=100), "type": Choice(("by_id",), required=True)}
            ),
            "default_aggregation": Group({"formula": Choice(("count", "last", "sum"), required=True)}, required=True),
            "display_name": Text(required=True, longest=250),
            "event_name": Text(required=True, longest=100),
            "event_time_window": Choice(("day", "hour")),
            "value_settings": Group({"event_payload_key": Text(required=True, longest=100)}),
        },
    ),
    listing("/v1/billing/meters", KIND, {"status": Choice(("active", "inactive"))}, by_time=False),
    retrieval("/v1/billing/meters/{meter}", KIND),
    Endpoint("POST", "/v1/billing/meters/{meter}", update, {"display_name": Text(longest=250)}),
    Endpoint("POST", "/v1/billing/meters/{meter}/deactivate", deactivate),
    Endpoint("POST", "/v1/billing/meters/{meter}/reactivate", reactivate),
    Endpoint(
        "GET",
        "/v1/billing/meters/{meter}/event_summaries",
        summaries,
        {
            **PAGING,
            "customer": Text(required=True),
            "end_time": Whole(required=True),
            "start_time": Whole(required=True),
            "value_grouping_window": Choice(("day", "hour")),
        },
    ),
    Endpoint(
        "POST",
        "/v1/billing/meter_events",
        metering.record,
        {
            "event_name": Text(required=True, longest=100),
            "identifier": Text(longest=100),
            "payload": Names(required=True),
            "timestamp": Whole(),
        },
    ),
    Endpoint(
        "POST",
        "/v1/billing/meter_event_adjustments",
        adjust,
        {
            "cancel": Group({"identifier": Text(required=True, longest=100)}, required=True),
            "event_name": Text(required=True, longest=100),
            "type": Choice(("cancel",), required=True),
        },
    ),
)
