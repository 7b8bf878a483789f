"""An invoice's lines, and the sums that follow from them."""

from apps.billing.emulator import identifiers
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def line(
    *,
    amount: int,
    currency: str,
    description: str,
    period: tuple[int, int],
    quantity: int | None,
    price: Object | None,
    parent: Object | None,
    metadata: Object | None = None,
    subscription: str | None = None,
) -> Object:
    pricing = None
    if price is not None:
        pricing = {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        }
    return {
        "id": identifiers.new("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": metadata or {},
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": None if quantity is None else str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }


def item_line(item: Object) -> Object:
    """Of an invoice item."""
    details = (item["parent"] or {}).get("subscription_details") or {}
    parent = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": details.get("subscription"),
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    made = line(
        amount=item["amount"],
        currency=item["currency"],
        description=item["description"] or "",
        period=(item["period"]["start"], item["period"]["end"]),
        quantity=item["quantity"],
        price=None,
        parent=parent,
        metadata=dict(item["metadata"]),
        subscription=details.get("subscription"),
    )
    return {**made, "pricing": item["pricing"]}


def set_lines(invoice: Object, lines: list[Object], balance: int) -> None:
    """With the sums that follow; `balance` is the customer's, negative for credit."""
    for line in lines:
        line["invoice"] = invoice["id"]
    total = sum(line["amount"] for line in lines)
    due = max(0, total + balance)
    invoice |= {
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "total_count": len(lines),
            "url": f"/v1/invoices/{invoice['id']}/lines",
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "starting_balance": balance,
        "amount_due": due,
        "amount_remaining": due,
    }


def take_pending(world: World, customer: str, currency: str, subscription: str | None) -> list[Object]:
    """The customer's invoice items that are on no invoice yet: those of the subscription, and those of none."""
    found = []
    for item in world.store.all("invoiceitem"):
        details = (item["parent"] or {}).get("subscription_details") or {}
        if (
            item["invoice"] is None
            and item["customer"] == customer
            and item["currency"] == currency
            and details.get("subscription") in (None, subscription)
        ):
            found.append(item)
    return found


def mark_taken(world: World, items: list[Object], invoice: Object) -> None:
    for item in items:
        world.change(item, None, invoice=invoice["id"])
