"""What a quantity costs at a price: per unit, transformed, or in tiers. Rounded once, half up, to whole cents."""

from decimal import ROUND_HALF_UP, Decimal

from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def cost(price: Object, quantity: int) -> int:
    return rounded(exact_cost(price, quantity))


def exact_cost(price: Object, quantity: int) -> Decimal:
    """In cents."""
    transform = price["transform_quantity"]
    if transform is not None:
        whole, rest = divmod(quantity, transform["divide_by"])
        quantity = whole + (1 if rest and transform["round"] == "up" else 0)
    if price["billing_scheme"] == "tiered":
        return _tiered(price, quantity)
    return Decimal(price["unit_amount_decimal"] or 0) * quantity


def _tiered(price: Object, quantity: int) -> Decimal:
    volume = price["tiers_mode"] == "volume"
    total, before = Decimal(0), 0
    for tier in price["tiers"]:
        top = tier["up_to"]
        if volume and top is not None and quantity > top:
            continue
        within = quantity if volume or top is None else min(quantity, top)
        units = within if volume else within - before
        if units > 0 or (volume and quantity == 0):
            total += Decimal(tier["unit_amount_decimal"] or 0) * units + Decimal(tier["flat_amount_decimal"] or 0)
        if volume or top is None or quantity <= top:
            break
        before = top
    return total


def of(world: World, price: Object, quantity: int) -> int:
    """What the price, as it is now and with its tiers, makes of the quantity."""
    current = world.store.find("price", price["id"]) or price
    return cost({**current, "tiers": world.store.known(current).get("tiers")}, quantity)
