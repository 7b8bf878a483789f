"""A new price: its amounts, its tiers, the period in which it recurs."""

from decimal import Decimal

from apps.billing.emulator import catalog
from apps.billing.emulator.errors import InvalidParameter, StripeError, missing
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

LONGEST_PERIOD = {"day": 1095, "week": 156, "month": 36, "year": 3}


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
    take_lookup_key(world, fields)
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


def take_lookup_key(world: World, fields: Fields, own: str | None = None) -> None:
    """Raises StripeError where another price has it and does not give it away."""
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
