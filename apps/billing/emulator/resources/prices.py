"""Prices: one-time or recurring, licensed or metered, per unit or in tiers."""

from typing import Any

from apps.billing.emulator import pricing
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    CURRENCY,
    CURRENCY_REQUIRED,
    LARGEST_AMOUNT,
    METADATA,
    Choice,
    Fields,
    Flag,
    Fraction,
    Group,
    Many,
    Parameter,
    Text,
    Whole,
    Word,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

INTERVALS = ("day", "week", "month", "year")
AMOUNT = Whole(most=LARGEST_AMOUNT)
RECURRING = Group(
    {
        "interval": Choice(INTERVALS, required=True),
        "interval_count": Whole(least=1, most=1095),
        "meter": Text(),
        "usage_type": Choice(("licensed", "metered")),
    }
)
LICENSED = Group({name: RECURRING.fields[name] for name in ("interval", "interval_count")}, required=True)
TIER = Group(
    {
        "up_to": Word(("inf",), Whole(least=1), required=True),
        "unit_amount": AMOUNT,
        "unit_amount_decimal": Fraction(),
        "flat_amount": AMOUNT,
        "flat_amount_decimal": Fraction(),
    }
)
FIELDS: dict[str, Parameter] = {
    "active": Flag(),
    "billing_scheme": Choice(("per_unit", "tiered")),
    "currency": CURRENCY_REQUIRED,
    "lookup_key": Text(longest=200),
    "metadata": METADATA,
    "nickname": Text(),
    "product": Text(),
    "product_data": Group(
        {
            "active": Flag(),
            "id": Text(),
            "metadata": METADATA,
            "name": Text(required=True),
            "statement_descriptor": Text(longest=22),
            "tax_code": Text(),
            "unit_label": Text(longest=12),
        }
    ),
    "recurring": RECURRING,
    "tax_behavior": Choice(("exclusive", "inclusive", "unspecified")),
    "tiers": Many(TIER),
    "tiers_mode": Choice(("graduated", "volume")),
    "transfer_lookup_key": Flag(),
    "transform_quantity": Group(
        {"divide_by": Whole(least=1, required=True), "round": Choice(("up", "down"), required=True)}
    ),
    "unit_amount": AMOUNT,
    "unit_amount_decimal": Fraction(),
}


def update(world: World, fields: Fields, identifier: str) -> Object:
    price = world.get("price", identifier)
    pricing.take_lookup_key(world, fields, identifier)
    changes = only(fields, "active", "nickname", "lookup_key", "tax_behavior")
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(price["metadata"], fields["metadata"])
    return world.change(price, "price.updated", **changes)


def _tiers_of(world: World, price: Object) -> Any:
    return world.store.known(price)["tiers"]


def _like(price: Object, wanted: Fields) -> bool:
    return price["recurring"] is not None and all(price["recurring"][name] == one for name, one in wanted.items())


def _currency_options(world: World, price: Object) -> Any:
    option = {
        "custom_unit_amount": None,
        **only(price, "tax_behavior", "unit_amount", "unit_amount_decimal"),
    }
    return {price["currency"]: option}


INCLUDED: Included = {("price", "tiers"): _tiers_of, ("price", "currency_options"): _currency_options}
ENDPOINTS = (
    Endpoint("POST", "/v1/prices", pricing.create, FIELDS),
    listing(
        "/v1/prices",
        "price",
        {
            "active": Flag(),
            "currency": CURRENCY,
            "lookup_keys": Many(Text(), most=10),
            "product": Text(),
            "recurring": Group(
                {"interval": Choice(INTERVALS), "meter": Text(), "usage_type": Choice(("licensed", "metered"))}
            ),
            "type": Choice(("one_time", "recurring")),
        },
        {"lookup_keys": lambda price, keys: price["lookup_key"] in keys, "recurring": _like},
    ),
    retrieval("/v1/prices/{price}", "price"),
    Endpoint(
        "POST",
        "/v1/prices/{price}",
        update,
        {
            **{name: FIELDS[name] for name in ("active", "metadata", "tax_behavior", "transfer_lookup_key")},
            "lookup_key": Text(clears=True, longest=200),
            "nickname": Text(clears=True),
        },
    ),
)
