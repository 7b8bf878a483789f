"""Disputes: begun by a cardholder (a test card, or a test's order), answered here."""

from apps.billing.emulator import disputes
from apps.billing.emulator.endpoints import Endpoint, retrieval
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import METADATA, Fields, Flag, Group, Text, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def update(world: World, fields: Fields, identifier: str) -> Object:
    dispute = world.get("dispute", identifier)
    if "metadata" in fields:
        metadata = merge_metadata(dispute["metadata"], fields["metadata"])
        world.change(dispute, "charge.dispute.updated", metadata=metadata)
    if "evidence" in fields:
        disputes.answer(world, dispute, fields["evidence"], submits=fields.get("submit", True))
    return dispute


def close(world: World, fields: Fields, identifier: str) -> Object:
    """Accept it: the money is lost."""
    dispute = world.get("dispute", identifier)
    disputes.close(world, dispute, won=False)
    return dispute


ENDPOINTS = (
    listing("/v1/disputes", "dispute", {"charge": Text(), "payment_intent": Text()}),
    retrieval("/v1/disputes/{dispute}", "dispute"),
    Endpoint(
        "POST",
        "/v1/disputes/{dispute}",
        update,
        {
            "evidence": Group({name: Text(clears=True, longest=20_000) for name in disputes.EVIDENCE}),
            "metadata": METADATA,
            "submit": Flag(),
        },
    ),
    Endpoint("POST", "/v1/disputes/{dispute}/close", close),
)
