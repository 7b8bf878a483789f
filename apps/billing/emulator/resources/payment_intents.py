"""Payment intents, confirmed with a card on or off session, and canceled."""

from apps.billing.emulator import cards, collection, payments
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    ADDRESS,
    CURRENCY_REQUIRED,
    LARGEST_AMOUNT,
    METADATA,
    Choice,
    Email,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Url,
    Whole,
    Word,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

LEAST_AMOUNT = 50
SHIPPING = Group(
    {
        "address": Group(ADDRESS.fields, required=True),
        "carrier": Text(),
        "name": Text(required=True),
        "phone": Text(),
        "tracking_number": Text(),
    },
    clears=True,
)
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
FIELDS: dict[str, Parameter] = {
    "description": Text(clears=True, longest=1000),
    "metadata": METADATA,
    "payment_method": Text(),
    "payment_method_types": Many(Choice(("card",))),
    "receipt_email": Email(clears=True),
    "setup_future_usage": Choice(("off_session", "on_session"), clears=True),
    "shipping": SHIPPING,
    "statement_descriptor": Text(longest=22),
    "statement_descriptor_suffix": Text(longest=22),
}
PLAIN = tuple(name for name in FIELDS if name not in ("metadata", "payment_method", "payment_method_types"))
CONFIRMING: dict[str, Parameter] = {
    "error_on_requires_action": Flag(),
    "off_session": Word(("one_off", "recurring"), Flag()),
    "return_url": Url(),
}
CREATING: dict[str, Parameter] = {
    "amount": Whole(required=True, most=LARGEST_AMOUNT),
    "currency": CURRENCY_REQUIRED,
    "customer": Text(),
    "confirm": Flag(),
    "capture_method": Choice(("automatic", "automatic_async")),
    "automatic_payment_methods": Group(
        {"enabled": Flag(required=True), "allow_redirects": Choice(("always", "never"))}
    ),
}


def _check_amount(amount: int) -> None:
    if amount < LEAST_AMOUNT:
        raise StripeError("Amount must be at least $0.50 usd", code="amount_too_small", param="amount")


def create(world: World, fields: Fields) -> Object:
    _check_amount(fields["amount"])
    customer = fields.get("customer")
    if customer is not None:
        world.get("customer", customer, param="customer")
    if fields.get("off_session") and not fields.get("confirm"):
        raise StripeError("You cannot set `off_session` without `confirm` set to true.", param="off_session")
    given = only(fields, *PLAIN, "capture_method")
    if "payment_method" in fields:
        method = _usable(world, fields["payment_method"], customer)
        given["payment_method"] = method["id"]
    if fields.get("automatic_payment_methods", {}).get("enabled"):
        asked = fields["automatic_payment_methods"]
        given["automatic_payment_methods"] = {
            "allow_redirects": asked.get("allow_redirects", "always"),
            "enabled": True,
        }
    given["metadata"] = merge_metadata({}, fields.get("metadata", {}))
    intent = payments.new_intent(
        world, amount=fields["amount"], currency=fields["currency"], customer=customer, fields=given
    )
    if fields.get("confirm"):
        confirm(world, only(fields, "error_on_requires_action", "off_session", "return_url"), intent["id"])
    return intent


def _usable(world: World, name: str, customer: str | None) -> Object:
    method = cards.resolve(world, name)
    if method["customer"] is not None and method["customer"] != customer:
        raise StripeError(
            f"The provided PaymentMethod ({method['id']}) belongs to another customer, or was passed without it. "
            "Include the customer in the `customer` parameter.",
            param="payment_method",
        )
    return method


def confirm(world: World, fields: Fields, identifier: str) -> Object:
    """Raises StripeError (402) when the card refuses; the intent has then failed."""
    intent = world.get("payment_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "confirm")
    chosen = fields.get("payment_method") or intent["payment_method"]
    if chosen is None:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent "
            "with a payment method and then confirm it again.",
            code="payment_intent_unexpected_state",
        )
    method = _usable(world, chosen, intent["customer"])
    world.store.remember(intent, return_url=fields.get("return_url"))
    if "setup_future_usage" in fields:
        world.change(intent, None, setup_future_usage=fields["setup_future_usage"])
    alone = bool(fields.get("off_session")) or bool(fields.get("error_on_requires_action"))
    collection.confirm(world, intent, method, off_session=alone)
    return intent


def update(world: World, fields: Fields, identifier: str) -> Object:
    intent = world.get("payment_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "update")
    changes = only(fields, *PLAIN, "amount", "currency", "customer")
    if "amount" in fields:
        _check_amount(fields["amount"])
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(intent["metadata"], fields["metadata"])
    if "payment_method" in fields:
        method = _usable(world, fields["payment_method"], changes.get("customer", intent["customer"]))
        changes |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return world.change(intent, None, **changes)


def cancel(world: World, fields: Fields, identifier: str) -> Object:
    intent = world.get("payment_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "cancel")
    return world.change(
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=world.now_for(intent["customer"]),
        cancellation_reason=fields.get("cancellation_reason"),
        next_action=None,
    )


def _unexpected(intent: Object, verb: str) -> StripeError:
    return StripeError(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
        f"with one of the following statuses may be used so: {', '.join(OPEN)}.",
        code="payment_intent_unexpected_state",
        payment_intent=dict(intent),
    )


ENDPOINTS = (
    Endpoint("POST", "/v1/payment_intents", create, {**FIELDS, **CONFIRMING, **CREATING}),
    listing("/v1/payment_intents", "payment_intent", {"customer": Text()}),
    retrieval("/v1/payment_intents/{intent}", "payment_intent"),
    Endpoint(
        "POST",
        "/v1/payment_intents/{intent}",
        update,
        {**FIELDS, "amount": Whole(most=LARGEST_AMOUNT), "customer": Text()},
    ),
    Endpoint(
        "POST",
        "/v1/payment_intents/{intent}/confirm",
        confirm,
        {**CONFIRMING, **only(FIELDS, "payment_method", "setup_future_usage")},
    ),
    Endpoint(
        "POST",
        "/v1/payment_intents/{intent}/cancel",
        cancel,
        {"cancellation_reason": Choice(("abandoned", "duplicate", "fraudulent", "requested_by_customer"))},
    ),
)
