"""Refunds, whole or in part, never more than was paid."""

from apps.billing.emulator import payments
from apps.billing.emulator.endpoints import Endpoint, retrieval
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import METADATA, Choice, Fields, Text, Whole, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def create(world: World, fields: Fields) -> Object:
    metadata = merge_metadata({}, fields.get("metadata", {}))
    return payments.refund(
        world,
        _charge(world, fields),
        amount=fields.get("amount"),
        reason=fields.get("reason"),
        metadata=metadata,
    )


def _charge(world: World, fields: Fields) -> Object:
    if "charge" in fields:
        return world.get("charge", fields["charge"], param="charge")
    if "payment_intent" not in fields:
        raise missing("payment_intent")
    intent = world.get("payment_intent", fields["payment_intent"], param="payment_intent")
    if intent["latest_charge"] is None or intent["status"] != "succeeded":
        raise StripeError(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return world.get("charge", intent["latest_charge"])


def update(world: World, fields: Fields, identifier: str) -> Object:
    refund = world.get("refund", identifier)
    metadata = merge_metadata(refund["metadata"], fields.get("metadata", {}))
    return world.change(refund, "refund.updated", metadata=metadata)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/refunds",
        create,
        {
            "amount": Whole(least=1),
            "charge": Text(),
            "metadata": METADATA,
            "payment_intent": Text(),
            "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    listing("/v1/refunds", "refund", {"charge": Text(), "payment_intent": Text()}),
    retrieval("/v1/refunds/{refund}", "refund"),
    Endpoint("POST", "/v1/refunds/{refund}", update, {"metadata": METADATA}),
)
