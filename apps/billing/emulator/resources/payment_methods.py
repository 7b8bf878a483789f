"""Payment methods: test cards only, by number or by token."""

from apps.billing.emulator import cards
from apps.billing.emulator.endpoints import Endpoint, retrieval
from apps.billing.emulator.errors import StripeError, missing, no_such
from apps.billing.emulator.listing import PAGING, listing, page
from apps.billing.emulator.parameters import (
    ADDRESS,
    METADATA,
    Choice,
    Fields,
    Group,
    Parameter,
    Text,
    Whole,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

TYPE = Choice(("card",))
BILLING = Group({"address": ADDRESS, "email": Text(clears=True), "name": Text(clears=True), "phone": Text(clears=True)})
CARD = Group(
    {
        "token": Text(),
        "number": Text(),
        "exp_month": Whole(),
        "exp_year": Whole(),
        "cvc": Text(),
    }
)
FIELDS: dict[str, Parameter] = {"billing_details": BILLING, "metadata": METADATA}


def create(world: World, fields: Fields) -> Object:
    given = fields.get("card")
    if not given:
        raise missing("card")
    if "token" in given:
        card = cards.BY_TOKEN.get(given["token"])
        if card is None:
            raise no_such("token", given["token"], param="card[token]")
        details = cards.CardDetails(card)
    else:
        for name in ("number", "exp_month", "exp_year"):
            if name not in given:
                raise missing(f"card[{name}]")
        details = cards.CardDetails.make(
            given["number"], month=given["exp_month"], year=given["exp_year"], now=world.now()
        )
    metadata = merge_metadata({}, fields.get("metadata", {}))
    return cards.save(world, details, billing=fields.get("billing_details"), metadata=metadata)


def update(world: World, fields: Fields, identifier: str) -> Object:
    method = world.get("payment_method", identifier, noun="PaymentMethod")
    if method["customer"] is None:
        raise StripeError("You must save this PaymentMethod to a customer before you can update it.")
    changes: Fields = {}
    if "billing_details" in fields:
        changes["billing_details"] = {**method["billing_details"], **fields["billing_details"]}
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(method["metadata"], fields["metadata"])
    if "card" in fields:
        changes["card"] = {**method["card"], **fields["card"]}
    return world.change(method, "payment_method.updated", **changes)


def attach(world: World, fields: Fields, identifier: str) -> Object:
    method = cards.resolve(world, identifier, param="id")
    customer = world.get("customer", fields["customer"], param="customer")
    return cards.attach(world, method, customer["id"])


def detach(world: World, fields: Fields, identifier: str) -> Object:
    method = world.get("payment_method", identifier, noun="PaymentMethod")
    customer = world.store.find("customer", method["customer"])
    if customer is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    if customer["invoice_settings"]["default_payment_method"] == identifier:
        world.change(
            customer,
            "customer.updated",
            invoice_settings={**customer["invoice_settings"], "default_payment_method": None},
        )
    return world.change(method, "payment_method.detached", customer=None)


def of_customer(world: World, fields: Fields, customer: str) -> Object:
    world.get("customer", customer)
    found = [method for method in world.store.all("payment_method") if method["customer"] == customer]
    return page(found[::-1], fields, f"/v1/customers/{customer}/payment_methods")


def one_of_customer(world: World, fields: Fields, customer: str, identifier: str) -> Object:
    method = world.get("payment_method", identifier, noun="PaymentMethod")
    if method["customer"] != customer:
        raise no_such("PaymentMethod", identifier, status=404)
    return method


ENDPOINTS = (
    Endpoint("POST", "/v1/payment_methods", create, {**FIELDS, "card": CARD, "type": Choice(("card",), required=True)}),
    listing("/v1/payment_methods", "payment_method", {"customer": Text(), "type": TYPE}, by_time=False),
    retrieval("/v1/payment_methods/{method}", "payment_method", noun="PaymentMethod"),
    Endpoint(
        "POST",
        "/v1/payment_methods/{method}",
        update,
        {**FIELDS, "card": Group({"exp_month": Whole(least=1, most=12), "exp_year": Whole(least=2026)})},
    ),
    Endpoint("POST", "/v1/payment_methods/{method}/attach", attach, {"customer": Text(required=True)}),
    Endpoint("POST", "/v1/payment_methods/{method}/detach", detach),
    Endpoint("GET", "/v1/customers/{customer}/payment_methods", of_customer, {**PAGING, "type": TYPE}),
    Endpoint("GET", "/v1/customers/{customer}/payment_methods/{method}", one_of_customer),
)
