"""Charges and balance transactions: made by payment intents, read here."""

from typing import Any

from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import listing, wrap
from apps.billing.emulator.parameters import METADATA, Fields, Text, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def update(world: World, fields: Fields, identifier: str) -> Object:
    charge = world.get("charge", identifier)
    changes = only(fields, "description")
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(charge["metadata"], fields["metadata"])
    return world.change(charge, "charge.updated", **changes)


def _refunds(world: World, charge: Object) -> Any:
    found = [refund for refund in world.store.all("refund") if refund["charge"] == charge["id"]]
    return wrap(found[::-1], f"/v1/charges/{charge['id']}/refunds")


INCLUDED: Included = {("charge", "refunds"): _refunds}
ENDPOINTS = (
    listing("/v1/charges", "charge", {"customer": Text(), "payment_intent": Text()}),
    retrieval("/v1/charges/{charge}", "charge"),
    Endpoint("POST", "/v1/charges/{charge}", update, {"description": Text(), "metadata": METADATA}),
    listing("/v1/balance_transactions", "balance_transaction", {"source": Text(), "type": Text()}),
    retrieval("/v1/balance_transactions/{transaction}", "balance_transaction"),
)
