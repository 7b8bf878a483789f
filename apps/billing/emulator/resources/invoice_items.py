"""Invoice items: sums that the next invoice, or a given draft, carries."""

from apps.billing.emulator import amounts, invoice_lines, pending_items, pricing
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    CURRENCY,
    LARGEST_AMOUNT,
    METADATA,
    Fields,
    Flag,
    Group,
    Parameter,
    Text,
    Whole,
    merge_metadata,
)
from apps.billing.emulator.resources import prices
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FIELDS: dict[str, Parameter] = {
    "amount": Whole(least=-LARGEST_AMOUNT, most=LARGEST_AMOUNT),
    "description": Text(clears=True),
    "discountable": Flag(),
    "metadata": METADATA,
    "period": Group({"end": Whole(required=True), "start": Whole(required=True)}),
    "quantity": Whole(least=1),
}


def create(world: World, fields: Fields) -> Object:
    if "customer" not in fields:
        raise missing("customer")
    customer = world.get("customer", fields["customer"], param="customer")
    quantity = fields.get("quantity", 1)
    price = _price(world, fields)
    if price is None and "amount" not in fields:
        raise missing("amount")
    if price is not None and "amount" in fields:
        raise StripeError("Pass amount or pricing, not both.", param="amount")
    invoice = None
    if "invoice" in fields:
        invoice = world.get("invoice", fields["invoice"], param="invoice")
        _check_draft(invoice)
    subscription = None
    if "subscription" in fields:
        subscription = world.get("subscription", fields["subscription"], param="subscription")
    now = world.now_for(customer["id"])
    period = fields.get("period", {"start": now, "end": now})
    item = pending_items.invoice_item(
        world,
        customer=customer["id"],
        amount=fields["amount"] if price is None else amounts.of(world, price, quantity),
        currency=fields.get("currency", "usd") if price is None else price["currency"],
        description=fields.get("description"),
        period=(period["start"], period["end"]),
        quantity=quantity,
        price=price,
        subscription=subscription,
        invoice=None if invoice is None else invoice["id"],
        metadata=merge_metadata({}, fields.get("metadata", {})),
        discountable=fields.get("discountable", True),
    )
    if invoice is not None:
        _relist(world, invoice)
    return item


def _price(world: World, fields: Fields) -> Object | None:
    name = fields.get("pricing", {}).get("price")
    if name is not None:
        price = world.get("price", name, param="pricing[price]")
        if price["type"] != "one_time":
            raise StripeError(
                f"The price specified is set to `type=recurring` but this field only accepts prices with "
                f"`type=one_time`. ({name})",
                param="pricing[price]",
            )
        return price
    if "price_data" in fields:
        price = pricing.create(world, fields["price_data"])
        world.change(price, None, active=False)
        return price
    return None


def _check_draft(invoice: Object) -> None:
    if invoice["status"] != "draft":
        raise StripeError(
            "The invoice is no longer editable: only drafts are.", code="invoice_not_editable", param="invoice"
        )


def _relist(world: World, invoice: Object) -> None:
    """The draft's lines anew, after an item came, changed or went."""
    kept = [line for line in invoice["lines"]["data"] if (line["parent"] or {}).get("type") != "invoice_item_details"]
    own = [item for item in world.store.all("invoiceitem") if item["invoice"] == invoice["id"]]
    balance = world.get("customer", invoice["customer"])["balance"]
    invoice_lines.set_lines(invoice, [*(invoice_lines.item_line(item) for item in own), *kept], balance)
    world.emit("invoice.updated", invoice)


def update(world: World, fields: Fields, identifier: str) -> Object:
    item = world.get("invoiceitem", identifier)
    invoice = world.store.find("invoice", item["invoice"])
    if invoice is not None:
        _check_draft(invoice)
    changes = only(fields, "amount", "description", "discountable", "period", "quantity")
    if "amount" in fields:
        changes["net_amount"] = fields["amount"]
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(item["metadata"], fields["metadata"])
    world.change(item, None, **changes)
    if invoice is not None:
        _relist(world, invoice)
    return item


def delete(world: World, fields: Fields, identifier: str) -> Object:
    item = world.get("invoiceitem", identifier)
    invoice = world.store.find("invoice", item["invoice"])
    if invoice is not None:
        _check_draft(invoice)
    answer = world.remove(item, "invoiceitem.deleted")
    if invoice is not None:
        _relist(world, invoice)
    return answer


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/invoiceitems",
        create,
        {
            **FIELDS,
            "currency": CURRENCY,
            "customer": Text(),
            "invoice": Text(),
            "price_data": Group(
                {
                    **only(prices.FIELDS, "currency", "tax_behavior", "unit_amount", "unit_amount_decimal"),
                    "product": Text(required=True),
                }
            ),
            "pricing": Group({"price": Text()}),
            "subscription": Text(),
        },
    ),
    listing(
        "/v1/invoiceitems",
        "invoiceitem",
        {"customer": Text(), "invoice": Text(), "pending": Flag()},
        {"pending": lambda item, pending: (item["invoice"] is None) == pending},
    ),
    retrieval("/v1/invoiceitems/{item}", "invoiceitem"),
    Endpoint("POST", "/v1/invoiceitems/{item}", update, FIELDS),
    Endpoint("DELETE", "/v1/invoiceitems/{item}", delete),
)
