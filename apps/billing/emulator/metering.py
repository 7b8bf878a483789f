"""Usage: what was reported to a meter, summed by customer and period. What cannot be used becomes an event."""

from datetime import UTC, datetime

from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.parameters import Fields
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400
OLDEST, FARTHEST = 35 * DAY, 300
LARGEST = 10**15
USAGE = "usage"
MARK = "meter event "


def record(world: World, fields: Fields) -> Object:
    """Raises StripeError for what Stripe refuses at once: a time out of range, an identifier that came before."""
    now = world.now(_clock(world, fields["payload"]))
    at = fields.get("timestamp", now)
    if at < now - OLDEST:
        raise StripeError(
            "The timestamp must be within the past 35 calendar days.",
            code="timestamp_too_far_in_past",
            param="timestamp",
        )
    if at > now + FARTHEST:
        raise StripeError(
            "The timestamp must be no more than 5 minutes in the future.", code="timestamp_in_future", param="timestamp"
        )
    number = world.store.count("meter_event")
    identifier = fields.get("identifier") or f"stand-in-{number}"
    if _seen(world, identifier, now):
        raise StripeError(
            f"An event already exists with identifier {identifier}.", code="duplicate_meter_event", param="identifier"
        )
    usage = {
        "id": f"usage-{number}",
        "object": USAGE,
        "identifier": identifier,
        "event_name": fields["event_name"],
        "payload": fields["payload"],
        "timestamp": at,
        "created": now,
        "meter": None,
        "customer": None,
        "value": 0,
        "canceled": False,
    }
    world.store.add(usage)
    world.store.remember({"id": MARK + identifier}, latest=usage["id"])
    if not world.store.counters.get("meters_held"):
        process(world, usage)
    return {
        "object": "billing.meter_event",
        "created": now,
        "event_name": fields["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": fields["payload"],
        "timestamp": at,
    }


def _clock(world: World, payload: Object) -> str | None:
    for value in payload.values():
        if world.store.find("customer", value) is not None:
            return world.clock_of(value)
    return None


def _seen(world: World, identifier: str, now: int) -> bool:
    latest = _latest(world, identifier)
    return latest is not None and latest["created"] > now - DAY


def _latest(world: World, identifier: str) -> Object | None:
    """Of the events with the identifier."""
    return world.store.find(USAGE, world.store.known({"id": MARK + identifier}).get("latest"))


def process(world: World, usage: Object) -> None:
    """Stripe does it some time after it has taken the event; a test can hold it back."""
    meters = [meter for meter in world.store.all("billing.meter") if meter["event_name"] == usage["event_name"]]
    if not meters:
        _report(world, None, usage, "no_meter", f"No meter has the event name {usage['event_name']}.")
        return
    meter = next((one for one in meters if one["status"] == "active"), None)
    if meter is None:
        _report(world, meters[-1], usage, "archived_meter", "The meter is inactive.")
        return
    problem = _problem(world, meter, usage["payload"])
    if problem is not None:
        _report(world, meter, usage, *problem)
        return
    usage["meter"] = meter["id"]
    usage["customer"] = usage["payload"][meter["customer_mapping"]["event_payload_key"]]
    usage["value"] = int(usage["payload"].get(meter["value_settings"]["event_payload_key"], 1))
    world.store.changed = True


def _problem(world: World, meter: Object, payload: Object) -> tuple[str, str] | None:
    customer = payload.get(meter["customer_mapping"]["event_payload_key"])
    if not customer:
        return "meter_event_no_customer_defined", "The payload names no customer."
    if world.store.find("customer", customer) is None:
        return "meter_event_customer_not_found", f"There is no customer {customer}."
    if meter["default_aggregation"]["formula"] == "count":
        return None
    value = payload.get(meter["value_settings"]["event_payload_key"], "")
    if not value.removeprefix("-").isdecimal():
        return "meter_event_invalid_value", f"The value {value!r} is not a whole number."
    if abs(int(value)) >= LARGEST:
        return "meter_event_value_too_many_digits", "The value has more than 15 digits."
    return None


def _report(world: World, meter: Object | None, usage: Object, code: str, message: str) -> None:
    kind = "no_meter_found" if meter is None else "error_report_triggered"
    moment = stamp(usage["created"])
    data = {
        "developer_message_summary": f"There is 1 invalid event: {message}",
        "reason": {
            "error_count": 1,
            "error_types": [
                {
                    "code": code,
                    "error_count": 1,
                    "sample_errors": [{"error_message": message, "request": {"identifier": usage["identifier"]}}],
                }
            ],
        },
        "validation_end": moment,
        "validation_start": moment,
    }
    related = None
    if meter is not None:
        related = {"id": meter["id"], "type": "billing.meter", "url": f"/v1/billing/meters/{meter['id']}"}
    world.emit_thin(f"v1.billing.meter.{kind}", data, related, created=moment)


def stamp(moment: int) -> str:
    """As version 2 of the API writes times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def process_held(world: World) -> int:
    """What was taken while processing was held back; says how many."""
    held = [usage for usage in world.store.all(USAGE) if usage["meter"] is None and not usage["canceled"]]
    for usage in held:
        process(world, usage)
    return len(held)


def total(world: World, meter: Object, customer: str, start: int, end: int) -> int:
    """From `start` on, before `end`."""
    used = [
        usage
        for usage in world.store.all(USAGE)
        if usage["meter"] == meter["id"]
        and usage["customer"] == customer
        and not usage["canceled"]
        and start <= usage["timestamp"] < end
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(used)
    if formula == "last":
        return int(max(used, key=lambda usage: usage["timestamp"])["value"]) if used else 0
    used_up: int = sum(usage["value"] for usage in used)
    return max(0, used_up)


def cancel(world: World, event_name: str, identifier: str) -> None:
    """Raises StripeError for an event that is unknown, or older than a day."""
    found = _latest(world, identifier)
    if found is None or found["event_name"] != event_name:
        raise StripeError(
            f"No meter event was found with the identifier {identifier}.",
            code="resource_missing",
            param="cancel[identifier]",
            status=404,
        )
    if found["created"] <= world.now_for(found["customer"]) - DAY:
        raise StripeError(
            "Meter events can be canceled within 24 hours of Stripe receiving them.", param="cancel[identifier]"
        )
    if found["canceled"]:
        raise StripeError("This meter event has been canceled already.", param="cancel[identifier]")
    found["canceled"] = True
    world.store.changed = True
