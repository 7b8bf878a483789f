"""Prices: one-time or recurring, licensed or metered, per unit or in tiers."""

from decimal import Decimal
from typing import Any

from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import InvalidParameter, StripeError, missing
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
from apps.billing.emulator.resources import catalog
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

INTERVALS = ("day", "week", "month", "year")
LONGEST_PERIOD = {"day": 1095, "week": 156, "month": 36, "year": 3}
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


def create(world: World, fields: Fields) -> Object:
    if ("product" in fields) == ("product_data" in fields):
        raise missing("product")
    if "product" in fields:
        product = world.get("product", fields["product"], param="product")
    else:
        product = catalog.new_product(world, fields["product_data"])
    return new(world, {**fields, "product": product["id"]})


def new(world: World, fields: Fields) -> Object:
    """`product` is an identifier; raises StripeError for amounts and periods that do not fit together."""
    recurring = _recurring(world, fields.get("recurring"))
    tiers = _tiers(fields)
    amount, exact = _amounts(fields, "unit_amount") if tiers is None else (None, None)
    if tiers is None and exact is None:
        raise InvalidParameter(
            "Missing one of: unit_amount, unit_amount_decimal.", code="parameter_missing", param="unit_amount"
        )
    _take_lookup_key(world, fields)
    return world.add(
        "price",
        {
            "created": world.now(),
            "active": fields.get("active", True),
            "billing_scheme": fields.get("billing_scheme", "per_unit"),
            "currency": fields["currency"],
            "custom_unit_amount": None,
            "lookup_key": fields.get("lookup_key"),
            "metadata": merge_metadata({}, fields.get("metadata", {})),
            "nickname": fields.get("nickname"),
            "product": fields["product"],
            "recurring": recurring,
            "tax_behavior": fields.get("tax_behavior", "unspecified"),
            "tiers_mode": fields.get("tiers_mode") if tiers else None,
            "transform_quantity": fields.get("transform_quantity"),
            "type": "one_time" if recurring is None else "recurring",
            "unit_amount": amount,
            "unit_amount_decimal": exact,
        },
        "price.created",
        tiers=tiers,
    )


def _recurring(world: World, given: Fields | None) -> Object | None:
    if given is None:
        return None
    usage, meter = given.get("usage_type", "licensed"), given.get("meter")
    count = given.get("interval_count", 1)
    if count > LONGEST_PERIOD[given["interval"]]:
        raise StripeError("A period is at most three years long.", param="recurring[interval_count]")
    if usage == "metered" and meter is None:
        raise StripeError(
            "Prices with recurring[usage_type]=metered must be backed by a meter: pass recurring[meter].",
            param="recurring[meter]",
        )
    if meter is not None:
        if usage != "metered":
            raise StripeError("Only metered prices have a meter.", param="recurring[usage_type]")
        if world.get("billing.meter", meter, param="recurring[meter]")["status"] != "active":
            raise StripeError(f"The meter {meter} is inactive.", param="recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": meter,
        "trial_period_days": None,
        "usage_type": usage,
    }


def _tiers(fields: Fields) -> list[Object] | None:
    if fields.get("billing_scheme", "per_unit") == "per_unit":
        if "tiers" in fields:
            raise StripeError("Tiers need billing_scheme=tiered.", param="tiers")
        return None
    for name in ("tiers", "tiers_mode"):
        if not fields.get(name):
            raise missing(name)
    tiers = []
    for number, given in enumerate(fields["tiers"]):
        last = number == len(fields["tiers"]) - 1
        if (given["up_to"] == "inf") != last:
            raise StripeError("The last tier, and it alone, is up to inf.", param=f"tiers[{number}][up_to]")
        unit, unit_exact = _amounts(given, "unit_amount")
        flat, flat_exact = _amounts(given, "flat_amount")
        tiers.append(
            {
                "flat_amount": flat,
                "flat_amount_decimal": flat_exact,
                "unit_amount": unit,
                "unit_amount_decimal": unit_exact,
                "up_to": None if last else given["up_to"],
            }
        )
    return tiers


def _amounts(fields: Fields, name: str) -> tuple[int | None, str | None]:
    """As a whole number of cents where it is one, and exactly."""
    if name in fields and f"{name}_decimal" in fields:
        raise StripeError(f"Pass {name} or {name}_decimal, not both.", param=f"{name}_decimal")
    if name in fields:
        return fields[name], str(fields[name])
    exact = fields.get(f"{name}_decimal")
    if exact is None:
        return None, None
    number = Decimal(exact)
    return (int(number) if number == int(number) else None), exact


def _take_lookup_key(world: World, fields: Fields, own: str | None = None) -> None:
    key = fields.get("lookup_key")
    if key is None:
        return
    for other in world.store.all("price"):
        if other["lookup_key"] != key or other["id"] == own:
            continue
        if not fields.get("transfer_lookup_key"):
            raise StripeError(
                f"A price (`{other['id']}`) already uses that lookup key.",
                code="resource_already_exists",
                param="lookup_key",
            )
        world.change(other, "price.updated", lookup_key=None)


def update(world: World, fields: Fields, identifier: str) -> Object:
    price = world.get("price", identifier)
    _take_lookup_key(world, fields, identifier)
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
    Endpoint("POST", "/v1/prices", create, FIELDS),
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
