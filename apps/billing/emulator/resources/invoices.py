"""Invoices, their lines, and their payments."""

from typing import Any

from apps.billing.emulator import invoice_lines, invoice_payments, invoicing, previewing, subscription_items
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.listing import PAGING, listing, page, wrap
from apps.billing.emulator.parameters import (
    CURRENCY,
    METADATA,
    TIME,
    Choice,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Times,
    Whole,
    Word,
    merge_metadata,
)
from apps.billing.emulator.resources.subscriptions import CANCEL_AT, CHANGED_ITEM, PRORATIONS
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400
METHODS = ("charge_automatically", "send_invoice")
FIELDS: dict[str, Parameter] = {
    "auto_advance": Flag(),
    "collection_method": Choice(METHODS),
    "days_until_due": Whole(),
    "default_payment_method": Text(clears=True),
    "description": Text(clears=True, longest=1500),
    "due_date": TIME,
    "footer": Text(clears=True),
    "metadata": METADATA,
}
EDITABLE = ("auto_advance", "collection_method", "default_payment_method", "description", "due_date", "footer")


def create(world: World, fields: Fields) -> Object:
    if "customer" not in fields:
        raise missing("customer")
    customer = world.get("customer", fields["customer"], param="customer")
    subscription = None
    if "subscription" in fields:
        subscription = world.get("subscription", fields["subscription"], param="subscription")
    by_mail = fields.get("collection_method") == "send_invoice"
    if by_mail and "days_until_due" not in fields and "due_date" not in fields:
        raise missing("days_until_due")
    currency = fields.get("currency") or customer["currency"] or "usd"
    pending = []
    if fields.get("pending_invoice_items_behavior", "exclude") == "include" or subscription is not None:
        identifier = None if subscription is None else subscription["id"]
        pending = invoice_lines.take_pending(world, customer["id"], currency, identifier)
    given = only(fields, *EDITABLE)
    now = world.now_for(customer["id"])
    advances = fields.get("auto_advance", False)
    given |= {
        "auto_advance": advances,
        "automatically_finalizes_at": now + world.settings.draft_seconds if advances else None,
        "metadata": merge_metadata({}, fields.get("metadata", {})),
    }
    if by_mail and "due_date" not in fields:
        given["due_date"] = now + fields["days_until_due"] * DAY
    invoice = invoicing.draft(
        world,
        customer=customer,
        currency=currency,
        lines=[invoice_lines.item_line(item) for item in pending],
        reason="manual" if subscription is None else "subscription_update",
        subscription=subscription,
        fields=given,
    )
    invoice_lines.mark_taken(world, pending, invoice)
    return invoice


def update(world: World, fields: Fields, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    changes = only(fields, *EDITABLE)
    if invoice["status"] != "draft" and set(changes) - {"auto_advance", "default_payment_method", "description"}:
        raise StripeError(
            "Finalized invoices can't be updated in this way.", code="invoice_not_editable", invoice=dict(invoice)
        )
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(invoice["metadata"], fields["metadata"])
    if "auto_advance" in fields and invoice["status"] == "draft":
        later = world.now_for(invoice["customer"]) + world.settings.draft_seconds
        changes["automatically_finalizes_at"] = later if fields["auto_advance"] else None
    return world.change(invoice, "invoice.updated", **changes)


def delete(world: World, fields: Fields, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    if invoice["status"] != "draft" or invoice["parent"] is not None:
        raise StripeError(
            "You can only delete draft invoices that are not of a subscription.", code="invoice_not_editable"
        )
    for item in world.store.all("invoiceitem"):
        if item["invoice"] == identifier:
            world.change(item, None, invoice=None)
    return world.remove(invoice, "invoice.deleted")


def finalize(world: World, fields: Fields, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    subscription_items.refresh_usage(world, invoice)
    if "auto_advance" in fields:
        world.change(invoice, None, auto_advance=fields["auto_advance"])
    invoicing.finalize(world, invoice)
    if invoice["status"] == "open" and invoice["auto_advance"] and invoice["collection_method"] == METHODS[0]:
        later = world.now_for(invoice["customer"]) + world.settings.draft_seconds
        world.change(invoice, None, next_payment_attempt=later)
    return invoice


def pay(world: World, fields: Fields, identifier: str) -> Object:
    """Raises StripeError (402) when the card refuses, or its holder has to be asked."""
    invoice = world.get("invoice", identifier)
    if invoice["status"] == "draft":
        finalize(world, {}, identifier)
    if invoice["status"] == "paid":
        raise StripeError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise StripeError(f"This invoice is {invoice['status']}; it cannot be paid.", code="invoice_not_editable")
    if fields.get("paid_out_of_band"):
        invoice_payments.mark_paid(world, invoice, outside=True)
        return invoice
    method = None
    if "payment_method" in fields:
        method = world.get("payment_method", fields["payment_method"], param="payment_method", noun="PaymentMethod")
    error = invoice_payments.collect(world, invoice, method, off_session=fields.get("off_session", True))
    if error is not None:
        raise error
    if invoice["status"] != "paid":
        raise StripeError(
            "This payment requires additional user action before it can be completed successfully. Payment can be "
            "completed using the PaymentIntent associated with this invoice.",
            kind="card_error",
            code="invoice_payment_intent_requires_action",
            status=402,
        )
    return invoice


def send(world: World, fields: Fields, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    if invoice["status"] == "draft":
        finalize(world, {}, identifier)
    world.emit("invoice.sent", invoice)
    return invoice


def void(world: World, fields: Fields, identifier: str) -> Object:
    return invoicing.void(world, world.get("invoice", identifier))


def mark_uncollectible(world: World, fields: Fields, identifier: str) -> Object:
    return invoicing.mark_uncollectible(world, world.get("invoice", identifier))


def lines(world: World, fields: Fields, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    return page(invoice["lines"]["data"], fields, f"/v1/invoices/{identifier}/lines")


def _of_subscription(invoice: Object, subscription: str) -> bool:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return bool(details.get("subscription") == subscription)


def _payments(world: World, invoice: Object) -> Any:
    found = [payment for payment in world.store.all("invoice_payment") if payment["invoice"] == invoice["id"]]
    return wrap(found[::-1], f"/v1/invoice_payments?invoice={invoice['id']}")


def _confirmation_secret(world: World, invoice: Object) -> Any:
    intent = world.store.find("payment_intent", world.store.known(invoice).get("payment_intent"))
    return None if intent is None else {"client_secret": intent["client_secret"], "type": "payment_intent"}


def _paid_by(payment: Object, wanted: Fields) -> bool:
    return all(payment["payment"].get(name) == value for name, value in wanted.items())


INCLUDED: Included = {
    ("invoice", "payments"): _payments,
    ("invoice", "confirmation_secret"): _confirmation_secret,
}
ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/invoices",
        create,
        {
            **FIELDS,
            "currency": CURRENCY,
            "customer": Text(),
            "pending_invoice_items_behavior": Choice(("exclude", "include")),
            "subscription": Text(),
        },
    ),
    listing(
        "/v1/invoices",
        "invoice",
        {
            "collection_method": Choice(METHODS),
            "customer": Text(),
            "due_date": Times(),
            "status": Choice(("draft", "open", "paid", "uncollectible", "void")),
            "subscription": Text(),
        },
        {"subscription": _of_subscription},
    ),
    Endpoint(
        "POST",
        "/v1/invoices/create_preview",
        lambda world, fields: previewing.preview(world, fields),
        {
            "currency": CURRENCY,
            "customer": Text(),
            "preview_mode": Choice(("next", "recurring")),
            "subscription": Text(),
            "subscription_details": Group(
                {
                    "billing_cycle_anchor": Word(("now", "unchanged"), TIME),
                    "cancel_at": CANCEL_AT,
                    "cancel_at_period_end": Flag(),
                    "cancel_now": Flag(),
                    "items": Many(Group(CHANGED_ITEM), most=20),
                    "proration_behavior": Choice(PRORATIONS),
                    "proration_date": TIME,
                    "trial_end": Word(("now",), TIME),
                }
            ),
        },
    ),
    retrieval("/v1/invoices/{invoice}", "invoice"),
    Endpoint("POST", "/v1/invoices/{invoice}", update, FIELDS),
    Endpoint("DELETE", "/v1/invoices/{invoice}", delete),
    Endpoint("POST", "/v1/invoices/{invoice}/finalize", finalize, {"auto_advance": Flag()}),
    Endpoint(
        "POST",
        "/v1/invoices/{invoice}/pay",
        pay,
        {"off_session": Flag(), "paid_out_of_band": Flag(), "payment_method": Text()},
    ),
    Endpoint("POST", "/v1/invoices/{invoice}/send", send),
    Endpoint("POST", "/v1/invoices/{invoice}/void", void),
    Endpoint("POST", "/v1/invoices/{invoice}/mark_uncollectible", mark_uncollectible),
    Endpoint("GET", "/v1/invoices/{invoice}/lines", lines, PAGING),
    listing(
        "/v1/invoice_payments",
        "invoice_payment",
        {
            "invoice": Text(),
            "payment": Group({"payment_intent": Text(), "type": Choice(("payment_intent",), required=True)}),
            "status": Choice(("canceled", "open", "paid")),
        },
        {"payment": _paid_by},
    ),
    retrieval("/v1/invoice_payments/{payment}", "invoice_payment"),
)
