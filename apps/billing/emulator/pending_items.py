"""Invoice items: sums that wait for the next invoice, prorations among them."""

from datetime import UTC, datetime

from apps.billing.emulator import subscription_items
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def proration(
    world: World, subscription: Object, item: Object, *, amount: int, period: tuple[int, int], credit: bool
) -> Object:
    """An invoice item, to be invoiced with the next invoice."""
    name = subscription_items.product_name(world, item["price"])
    day = datetime.fromtimestamp(period[0], UTC).strftime("%d %b %Y")
    words = f"Unused time on {name} after {day}" if credit else f"Remaining time on {name} after {day}"
    return invoice_item(
        world,
        customer=subscription["customer"],
        amount=amount,
        currency=item["price"]["currency"],
        description=words,
        period=period,
        quantity=item.get("quantity", 1),
        price=item["price"],
        subscription=subscription,
        subscription_item=item["id"],
        is_proration=True,
    )


def invoice_item(
    world: World,
    *,
    customer: str,
    amount: int,
    currency: str,
    description: str | None,
    period: tuple[int, int],
    quantity: int = 1,
    price: Object | None = None,
    subscription: Object | None = None,
    subscription_item: str | None = None,
    is_proration: bool = False,
    invoice: str | None = None,
    metadata: Object | None = None,
    discountable: bool = True,
) -> Object:
    parent = None
    if subscription is not None:
        parent = {
            "subscription_details": {
                "subscription": subscription["id"],
                "subscription_item": subscription_item,
            },
            "type": "subscription_details",
        }
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    now = world.now_for(customer)
    return world.add(
        "invoiceitem",
        {
            "amount": amount,
            "currency": currency,
            "customer": customer,
            "customer_account": None,
            "date": now,
            "description": description,
            "discountable": discountable and not is_proration,
            "discounts": [],
            "invoice": invoice,
            "metadata": metadata or {},
            "net_amount": amount,
            "parent": parent,
            "period": {"start": period[0], "end": period[1]},
            "pricing": pricing,
            "proration": is_proration,
            "proration_details": {"discount_amounts": []} if is_proration else None,
            "quantity": quantity,
            "quantity_decimal": str(quantity),
            "tax_rates": [],
            "test_clock": world.clock_of(customer),
        },
        "invoiceitem.created",
    )
