"""Test clocks: customers that live by one see months pass in a request."""

from apps.billing.emulator import ending, timeline
from apps.billing.emulator.endpoints import Endpoint, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import Fields, Text, Whole
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

KEPT_SECONDS = 30 * 86_400
KIND = "test_helpers.test_clock"
PATH = "/v1/test_helpers/test_clocks"
FARTHEST = 2 * 366 * 86_400


def create(world: World, fields: Fields) -> Object:
    return world.add(
        KIND,
        {
            "created": world.now(),
            "deletes_after": world.now() + KEPT_SECONDS,
            "frozen_time": fields["frozen_time"],
            "name": fields.get("name"),
            "status": "ready",
            "status_details": {},
        },
        "test_helpers.test_clock.created",
    )


def advance(world: World, fields: Fields, identifier: str) -> Object:
    """Answers that the clock is advancing, as Stripe does; it is there already when it is asked again."""
    clock = world.get(KIND, identifier, noun="test clock")
    until = fields["frozen_time"]
    if until <= clock["frozen_time"]:
        raise StripeError(
            "You cannot set the clock to a time before its current frozen_time.",
            code="test_clock_not_advanced",
            param="frozen_time",
        )
    if until - clock["frozen_time"] > FARTHEST:
        raise StripeError("A clock advances by two years at most at a time.", param="frozen_time")
    world.change(clock, "test_helpers.test_clock.advancing", status="advancing", status_details=_details(until))
    answer = dict(clock)
    timeline.advance(world, clock, until)
    world.change(clock, "test_helpers.test_clock.ready", status="ready", status_details={})
    return answer


def _details(until: int) -> Object:
    return {"advancing": {"target_frozen_time": until}}


def delete(world: World, fields: Fields, identifier: str) -> Object:
    """With its customers and their subscriptions."""
    clock = world.get(KIND, identifier, noun="test clock")
    for subscription in world.store.all("subscription"):
        if subscription["test_clock"] == identifier and subscription["status"] not in ending.ENDED:
            world.change(subscription, None, status="canceled")
    for customer in world.store.all("customer"):
        if customer["test_clock"] == identifier:
            world.remove(customer, "customer.deleted")
    return world.remove(clock, "test_helpers.test_clock.deleted")


ENDPOINTS = (
    Endpoint("POST", PATH, create, {"frozen_time": Whole(required=True), "name": Text(longest=300)}),
    listing(PATH, KIND, by_time=False),
    retrieval(PATH + "/{clock}", KIND, noun="test clock"),
    Endpoint("POST", PATH + "/{clock}/advance", advance, {"frozen_time": Whole(required=True)}),
    Endpoint("DELETE", PATH + "/{clock}", delete),
)
