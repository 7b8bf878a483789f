"""Subscriptions and their items."""

from typing import Any

from apps.billing.emulator import changing, ending, subscribing
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError, missing, no_such
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import PAGING, listing, page, wrap
from apps.billing.emulator.parameters import (
    CURRENCY,
    METADATA,
    TIME,
    Choice,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Whole,
    Word,
)
from apps.billing.emulator.resources import prices
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

STATUSES = ("active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid")
BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete")
PRORATIONS = ("always_invoice", "create_prorations", "none")
FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
PRICE_DATA = Group(
    {
        **only(prices.FIELDS, "currency", "tax_behavior", "unit_amount", "unit_amount_decimal"),
        "recurring": prices.LICENSED,
        "product": Text(required=True),
    }
)
ITEM: dict[str, Parameter] = {
    "metadata": METADATA,
    "price": Text(),
    "price_data": PRICE_DATA,
    "quantity": Whole(),
}
DETAILS = Group({"comment": Text(clears=True), "feedback": Choice(FEEDBACK, clears=True)})
TRIAL_SETTINGS = Group(
    {
        "end_behavior": Group(
            {"missing_payment_method": Choice(("cancel", "create_invoice", "pause"), required=True)}, required=True
        )
    }
)
CANCEL_AT = Word(("min_period_end", "max_period_end"), TIME)
FIELDS: dict[str, Parameter] = {
    "cancel_at_period_end": Flag(),
    "collection_method": Choice(("charge_automatically", "send_invoice")),
    "days_until_due": Whole(),
    "default_payment_method": Text(clears=True),
    "description": Text(clears=True, longest=500),
    "metadata": METADATA,
    "off_session": Flag(),
    "payment_behavior": Choice(BEHAVIORS),
    "payment_settings": Group(
        {
            "payment_method_types": Many(Choice(("card",)), clears=True),
            "save_default_payment_method": Choice(("off", "on_subscription")),
        }
    ),
    "proration_behavior": Choice(PRORATIONS),
    "trial_end": Word(("now",), TIME),
    "trial_settings": TRIAL_SETTINGS,
}
CHANGED_ITEM: dict[str, Parameter] = {**ITEM, "id": Text(), "deleted": Flag(), "clear_usage": Flag()}


def create(world: World, fields: Fields) -> Object:
    if fields.get("collection_method") == "send_invoice" and "days_until_due" not in fields:
        raise missing("days_until_due")
    return subscribing.create(world, fields)


def update(world: World, fields: Fields, identifier: str) -> Object:
    subscription = world.get("subscription", identifier)
    return changing.update(world, subscription, fields)


def cancel(world: World, fields: Fields, identifier: str) -> Object:
    subscription = world.get("subscription", identifier)
    if subscription["status"] in ending.ENDED:
        raise no_such("subscription", identifier, status=404)
    flexible = subscription["billing_mode"]["type"] == "flexible"
    now = world.now_for(subscription["customer"])
    if fields.get("prorate"):
        changing.credit_the_rest(world, subscription, now)
    return ending.end_now(
        world,
        subscription,
        reason="cancellation_requested",
        details=fields.get("cancellation_details"),
        bill_usage=fields.get("invoice_now", flexible),
    )


def resume(world: World, fields: Fields, identifier: str) -> Object:
    subscription = world.get("subscription", identifier)
    if subscription["status"] != "paused":
        raise StripeError("You can only resume a paused subscription.")
    world.change(subscription, "customer.subscription.updated", status="active")
    world.emit("customer.subscription.resumed", subscription)
    return changing.update(world, subscription, {"billing_cycle_anchor": "now", "proration_behavior": "none"})


def _has_status(subscription: Object, wanted: str) -> bool:
    if wanted == "ended":
        return subscription["status"] in ending.ENDED
    return wanted == "all" or subscription["status"] == wanted


def list_all(world: World, fields: Fields) -> Object:
    """Without the canceled ones, unless they are asked for."""
    answer: Object = EVERYTHING.handler(world, {"status": "not_canceled", **fields})
    return answer


def _status(subscription: Object, wanted: str) -> bool:
    return subscription["status"] != "canceled" if wanted == "not_canceled" else _has_status(subscription, wanted)


def _of_customer(world: World, customer: Object) -> Any:
    found = [
        one
        for one in world.store.all("subscription")
        if one["customer"] == customer["id"] and one["status"] != "canceled"
    ]
    return wrap(found[::-1], f"/v1/customers/{customer['id']}/subscriptions")


# Items on their own.


def items(world: World, fields: Fields) -> Object:
    subscription = world.get("subscription", fields["subscription"], param="subscription")
    return page(subscription["items"]["data"], fields, "/v1/subscription_items")


def _item(world: World, identifier: str) -> tuple[Object, Object]:
    """The subscription, too."""
    for subscription in world.store.all("subscription"):
        for item in subscription["items"]["data"]:
            if item["id"] == identifier:
                return subscription, item
    raise no_such("subscription_item", identifier, status=404)


def item(world: World, fields: Fields, identifier: str) -> Object:
    return _item(world, identifier)[1]


def add_item(world: World, fields: Fields) -> Object:
    subscription = world.get("subscription", fields.pop("subscription"), param="subscription")
    known = {one["id"] for one in subscription["items"]["data"]}
    changing.update(world, subscription, _as_change(fields, {}))
    return next(one for one in subscription["items"]["data"] if one["id"] not in known)


def update_item(world: World, fields: Fields, identifier: str) -> Object:
    subscription, _ = _item(world, identifier)
    changing.update(world, subscription, _as_change(fields, {"id": identifier}))
    return _item(world, identifier)[1]


def remove_item(world: World, fields: Fields, identifier: str) -> Object:
    subscription, _ = _item(world, identifier)
    changing.update(world, subscription, _as_change(fields, {"id": identifier, "deleted": True}))
    return {"id": identifier, "object": "subscription_item", "deleted": True}


def _as_change(fields: Fields, one: Fields) -> Fields:
    of_item = {**one, **only(fields, *ITEM)}
    return {"items": [of_item], **{name: value for name, value in fields.items() if name not in ITEM}}


EVERYTHING = listing(
    "/v1/subscriptions",
    "subscription",
    {
        "collection_method": Choice(("charge_automatically", "send_invoice")),
        "customer": Text(),
        "price": Text(),
        "status": Choice((*STATUSES, "all", "ended")),
        "test_clock": Text(),
    },
    {
        "status": _status,
        "price": lambda one, price: any(item["price"]["id"] == price for item in one["items"]["data"]),
    },
)
ITEM_CHANGE: dict[str, Parameter] = {
    **ITEM,
    **only(FIELDS, "payment_behavior", "proration_behavior"),
    "proration_date": TIME,
}
INCLUDED: Included = {("customer", "subscriptions"): _of_customer}
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/subscriptions",
        create,
        {
            **FIELDS,
            "add_invoice_items": Many(Group({"price": Text(required=True), "quantity": Whole(least=1)}), most=20),
            "billing_cycle_anchor": TIME,
            "billing_mode": Group({"type": Choice(("classic", "flexible"), required=True)}),
            "cancel_at": CANCEL_AT,
            "currency": CURRENCY,
            "customer": Text(required=True),
            "items": Many(Group(ITEM), required=True, most=20),
            "trial_period_days": Whole(most=730),
        },
    ),
    Endpoint("GET", "/v1/subscriptions", list_all, EVERYTHING.parameters),
    retrieval("/v1/subscriptions/{subscription}", "subscription"),
    Endpoint(
        "POST",
        "/v1/subscriptions/{subscription}",
        update,
        {
            **FIELDS,
            "billing_cycle_anchor": Choice(("now", "unchanged")),
            "cancel_at": Word(("min_period_end", "max_period_end"), TIME, clears=True),
            "cancellation_details": DETAILS,
            "items": Many(Group(CHANGED_ITEM), most=20),
            "pause_collection": Group(
                {
                    "behavior": Choice(("keep_as_draft", "mark_uncollectible", "void"), required=True),
                    "resumes_at": Whole(),
                },
                clears=True,
            ),
            "proration_date": TIME,
        },
    ),
    Endpoint(
        "DELETE",
        "/v1/subscriptions/{subscription}",
        cancel,
        {"cancellation_details": DETAILS, "invoice_now": Flag(), "prorate": Flag()},
    ),
    Endpoint("POST", "/v1/subscriptions/{subscription}/resume", resume),
    Endpoint("GET", "/v1/subscription_items", items, {**PAGING, "subscription": Text(required=True)}),
    Endpoint("POST", "/v1/subscription_items", add_item, {**ITEM_CHANGE, "subscription": Text(required=True)}),
    Endpoint("GET", "/v1/subscription_items/{item}", item),
    Endpoint("POST", "/v1/subscription_items/{item}", update_item, ITEM_CHANGE),
    Endpoint(
        "DELETE",
        "/v1/subscription_items/{item}",
        remove_item,
        {"clear_usage": Flag(), "proration_behavior": Choice(PRORATIONS), "proration_date": TIME},
    ),
)
