"""The items of a subscription, and the invoice lines that they make."""

from apps.billing.emulator import amounts, identifiers, invoice_lines, metering, pricing
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

TIMES = "\N{MULTIPLICATION SIGN}"


def is_metered(item: Object) -> bool:
    metered: bool = item["price"]["recurring"]["usage_type"] == "metered"
    return metered


def price_of(world: World, given: Fields, param: str) -> Object:
    """Raises StripeError for none, for one that is not recurring, or not active."""
    if "price_data" in given:
        price = pricing.create(world, given["price_data"])
        world.change(price, None, active=False)
        return price
    if "price" not in given:
        raise missing(f"{param}[price]")
    price = world.get("price", given["price"], param=f"{param}[price]")
    if price["recurring"] is None:
        raise StripeError(
            f"The price specified is set to `type=one_time` but this field only accepts prices with "
            f"`type=recurring`. ({price['id']})",
            param=f"{param}[price]",
        )
    if not price["active"]:
        raise StripeError(
            f"The price specified is inactive. This field only accepts active prices. ({price['id']})",
            param=f"{param}[price]",
        )
    return price


def new(
    world: World, subscription: str, price: Object, given: Fields, period: tuple[int, int], *, param: str, now: int
) -> Object:
    metered = price["recurring"]["usage_type"] == "metered"
    if metered and "quantity" in given:
        raise StripeError(
            "Quantity should not be specified where usage_type is `metered`. Remove quantity from "
            f"`{param}[quantity]`.",
            param=f"{param}[quantity]",
        )
    item: Object = {
        "id": identifiers.new("subscription_item"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": merge_metadata({}, given.get("metadata", {})),
        "plan": _plan(price),
        "price": dict(price),
        "subscription": subscription,
        "tax_rates": [],
    }
    if not metered:
        item["quantity"] = given.get("quantity", 1)
    return item


def _plan(price: Object) -> Object:
    """The price as the API's older resource shows it."""
    recurring = price["recurring"]
    same = ("active", "billing_scheme", "created", "currency", "livemode", "metadata", "nickname", "product")
    return {
        "id": price["id"],
        "object": "plan",
        **{name: price[name] for name in same},
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": recurring["meter"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def with_price(item: Object, price: Object) -> Object:
    return {**item, "price": dict(price), "plan": _plan(price)}


def check_together(items: list[Object]) -> tuple[str, Object]:
    """The currency and the period that the items share; raises StripeError where they do not."""
    if not items:
        raise missing("items")
    currencies = {item["price"]["currency"] for item in items}
    if len(currencies) > 1:
        raise StripeError("The price specified only supports one currency at a time.", param="items")
    recurring: Object = items[0]["price"]["recurring"]
    periods = {(item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"]) for item in items}
    if len(periods) > 1:
        raise StripeError(
            "Currently, this stand-in bills all items of a subscription at the same interval.", param="items"
        )
    if len({item["price"]["id"] for item in items}) < len(items):
        raise StripeError("Cannot add multiple subscription items with the same price.", param="items")
    return currencies.pop(), recurring


def licensed_line(
    world: World, subscription: Object, item: Object, period: tuple[int, int], *, trial: bool = False, share: float = 1
) -> Object:
    """For the period to come."""
    price = item["price"]
    name = product_name(world, price)
    full = amounts.of(world, price, item["quantity"])
    return invoice_lines.line(
        amount=0 if trial else round(full * share),
        currency=price["currency"],
        description=f"Trial period for {name}" if trial else f"{item['quantity']} {TIMES} {name} ({_rate(price)})",
        period=period,
        quantity=item["quantity"],
        price=price,
        parent=_parent(subscription, item),
        metadata=dict(subscription["metadata"]),
        subscription=subscription["id"],
    )


def usage_line(world: World, subscription: Object, item: Object, period: tuple[int, int]) -> Object:
    """For the period that is over, by what was used in it."""
    price = item["price"]
    made = invoice_lines.line(
        amount=0,
        currency=price["currency"],
        description="",
        period=period,
        quantity=0,
        price=price,
        parent=_parent(subscription, item),
        metadata=dict(subscription["metadata"]),
        subscription=subscription["id"],
    )
    return measure(world, made, price, subscription["customer"])


def measure(world: World, made: Object, price: Object, customer: str) -> Object:
    """The line by the usage that is known now: reports may come late, until the invoice is final."""
    meter = world.get("billing.meter", price["recurring"]["meter"])
    quantity = metering.total(world, meter, customer, made["period"]["start"], made["period"]["end"])
    amount = amounts.of(world, price, quantity)
    return made | {
        "amount": amount,
        "subtotal": amount,
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "description": f"{quantity} {TIMES} {product_name(world, price)} ({_rate(price)})",
    }


def refresh_usage(world: World, invoice: Object) -> None:
    """Before a draft becomes final."""
    lines = []
    for made in invoice["lines"]["data"]:
        details = (made["pricing"] or {}).get("price_details")
        price = world.store.find("price", details["price"]) if details else None
        metered = price is not None and (price["recurring"] or {}).get("usage_type") == "metered"
        is_usage = metered and (made["parent"] or {}).get("type") == "subscription_item_details"
        lines.append(measure(world, made, price, invoice["customer"]) if is_usage and price is not None else made)
    invoice_lines.set_lines(invoice, lines, world.get("customer", invoice["customer"])["balance"])


def _parent(subscription: Object, item: Object) -> Object:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def product_name(world: World, price: Object) -> str:
    product = world.store.find("product", price["product"])
    name: str = product["name"] if product else price["product"]
    return name


def _rate(price: Object) -> str:
    recurring = price["recurring"]
    period = recurring["interval"]
    if recurring["interval_count"] > 1:
        period = f"{recurring['interval_count']} {period}s"
    if price["billing_scheme"] == "tiered":
        return f"in tiers, every {period}"
    unit = price["unit_amount"]
    shown = f"{unit / 100:.2f}" if unit is not None else f"{price['unit_amount_decimal']} cents"
    return f"at {shown} {price['currency'].upper()} / {period}"
