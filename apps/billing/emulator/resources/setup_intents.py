"""Setup intents."""

from apps.billing.emulator import cards, setups
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    METADATA,
    Choice,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Url,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FIELDS: dict[str, Parameter] = {
    "customer": Text(),
    "description": Text(longest=1000),
    "metadata": METADATA,
    "payment_method": Text(),
    "payment_method_types": Many(Choice(("card",))),
}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(world: World, fields: Fields) -> Object:
    if "customer" in fields:
        world.get("customer", fields["customer"], param="customer")
    given = only(fields, "description", "usage")
    given["metadata"] = merge_metadata({}, fields.get("metadata", {}))
    if "payment_method" in fields:
        given["payment_method"] = cards.resolve(world, fields["payment_method"])["id"]
    intent = setups.new_intent(world, customer=fields.get("customer"), fields=given)
    if fields.get("confirm"):
        confirm(world, only(fields, "return_url"), intent["id"])
    return intent


def confirm(world: World, fields: Fields, identifier: str) -> Object:
    """Raises StripeError (402) when the card refuses."""
    intent = world.get("setup_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "confirm")
    chosen = fields.get("payment_method") or intent["payment_method"]
    if chosen is None:
        raise StripeError(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    world.store.remember(intent, return_url=fields.get("return_url"))
    error = setups.attempt(world, intent, cards.resolve(world, chosen))
    if error is not None:
        raise error
    return intent


def update(world: World, fields: Fields, identifier: str) -> Object:
    intent = world.get("setup_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "update")
    changes = only(fields, "customer", "description")
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(intent["metadata"], fields["metadata"])
    if "payment_method" in fields:
        method = cards.resolve(world, fields["payment_method"])
        changes |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return world.change(intent, None, **changes)


def cancel(world: World, fields: Fields, identifier: str) -> Object:
    intent = world.get("setup_intent", identifier, param="intent")
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "cancel")
    return world.change(
        intent,
        "setup_intent.canceled",
        status="canceled",
        cancellation_reason=fields.get("cancellation_reason"),
        next_action=None,
    )


def _unexpected(intent: Object, verb: str) -> StripeError:
    return StripeError(
        f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=dict(intent),
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/setup_intents",
        create,
        {
            **FIELDS,
            "confirm": Flag(),
            "return_url": Url(),
            "usage": Choice(("off_session", "on_session")),
            "automatic_payment_methods": Group(
                {"enabled": Flag(required=True), "allow_redirects": Choice(("always", "never"))}
            ),
        },
    ),
    listing("/v1/setup_intents", "setup_intent", {"customer": Text(), "payment_method": Text()}),
    retrieval("/v1/setup_intents/{intent}", "setup_intent"),
    Endpoint("POST", "/v1/setup_intents/{intent}", update, FIELDS),
    Endpoint("POST", "/v1/setup_intents/{intent}/confirm", confirm, {"payment_method": Text(), "return_url": Url()}),
    Endpoint(
        "POST",
        "/v1/setup_intents/{intent}/cancel",
        cancel,
        {"cancellation_reason": Choice(("abandoned", "duplicate", "requested_by_customer"))},
    ),
)
