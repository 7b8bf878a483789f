"""Customers."""

from typing import Any

from apps.billing.emulator import customers, ending
from apps.billing.emulator.endpoints import Endpoint, only
from apps.billing.emulator.errors import no_such
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import listing, wrap
from apps.billing.emulator.parameters import (
    ADDRESS,
    METADATA,
    Choice,
    Email,
    Fields,
    Group,
    Many,
    Parameter,
    Text,
    Whole,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

MOST_BALANCE = 99_999_999
FIELDS: dict[str, Parameter] = {
    "address": ADDRESS,
    "balance": Whole(least=-MOST_BALANCE, most=MOST_BALANCE),
    "business_name": Text(clears=True, longest=150),
    "description": Text(clears=True),
    "email": Email(clears=True),
    "individual_name": Text(clears=True, longest=150),
    "invoice_prefix": Text(longest=12),
    "invoice_settings": Group({"default_payment_method": Text(clears=True), "footer": Text(clears=True)}),
    "metadata": METADATA,
    "name": Text(clears=True, longest=256),
    "next_invoice_sequence": Whole(least=1),
    "phone": Text(clears=True, longest=20),
    "preferred_locales": Many(Text()),
    "shipping": Group({"address": ADDRESS, "name": Text(required=True), "phone": Text(clears=True)}, clears=True),
    "tax_exempt": Choice(("none", "exempt", "reverse"), clears=True),
}


def update(world: World, fields: Fields, identifier: str) -> Object:
    customer = world.get("customer", identifier)
    changes = only(fields, *customers.PLAIN)
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(customer["metadata"], fields["metadata"])
    if "tax_exempt" in fields:
        changes["tax_exempt"] = fields["tax_exempt"] or "none"
    if "invoice_settings" in fields:
        chosen = fields["invoice_settings"].get("default_payment_method")
        if chosen is not None and _owner(world, chosen) != identifier:
            raise customers.not_attached(chosen)
        changes["invoice_settings"] = {**customer["invoice_settings"], **fields["invoice_settings"]}
    return world.change(customer, "customer.updated", **changes)


def _owner(world: World, method: str) -> str | None:
    found = world.store.find("payment_method", method)
    return None if found is None else found["customer"]


def retrieve(world: World, fields: Fields, identifier: str) -> Object:
    if world.store.was("customer", identifier):
        return {"id": identifier, "object": "customer", "deleted": True}
    return world.get("customer", identifier)


def delete(world: World, fields: Fields, identifier: str) -> Object:
    customer = world.store.find("customer", identifier)
    if customer is None:
        raise no_such("customer", identifier, status=404)
    for subscription in world.store.all("subscription"):
        if subscription["customer"] == identifier and subscription["status"] not in ending.ENDED:
            ending.end_now(world, subscription, reason="cancellation_requested")
    for method in world.store.all("payment_method"):
        if method["customer"] == identifier:
            world.change(method, customer=None)
    return world.remove(customer, "customer.deleted")


def _sources(world: World, customer: Object) -> Any:
    """None: cards are payment methods."""
    return wrap([], f"/v1/customers/{customer['id']}/sources")


def _tax_ids(world: World, customer: Object) -> Any:
    return wrap([], f"/v1/customers/{customer['id']}/tax_ids")


INCLUDED: Included = {("customer", "sources"): _sources, ("customer", "tax_ids"): _tax_ids}
ENDPOINTS = (
    Endpoint("POST", "/v1/customers", customers.new, {**FIELDS, "payment_method": Text(), "test_clock": Text()}),
    listing("/v1/customers", "customer", {"email": Text(), "test_clock": Text()}),
    Endpoint("GET", "/v1/customers/{customer}", retrieve),
    Endpoint("POST", "/v1/customers/{customer}", update, FIELDS),
    Endpoint("DELETE", "/v1/customers/{customer}", delete),
)
