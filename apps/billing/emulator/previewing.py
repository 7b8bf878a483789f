"""Invoices that are not there yet. They are made in a copy of the world, which is then forgotten."""

import copy

from apps.billing.emulator import (
    changing,
    ending,
    invoice_lines,
    invoicing,
    renewing,
    subscribing,
    subscription_invoices,
    subscription_items,
)
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.parameters import Fields
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

LEFT_OUT = ("event", "charge", "balance_transaction", "checkout.session", "refund")
CHANGING = (
    "billing_cycle_anchor",
    "cancel_at",
    "cancel_at_period_end",
    "items",
    "proration_behavior",
    "proration_date",
    "trial_end",
)


def rehearsal(world: World) -> World:
    """A copy, in which nothing is told to anybody."""
    other = World(world.settings, lambda event: 0)
    other.pretended_now = world.now()
    store, original = other.store, world.store
    store.tables = {kind: copy.deepcopy(table) for kind, table in original.tables.items() if kind not in LEFT_OUT}
    store.kinds, store.counters = dict(original.kinds), dict(original.counters)
    store.hidden = copy.deepcopy(original.hidden)
    return other


def upcoming(world: World, subscription: Object) -> Object:
    """The next renewal's invoice, as it would be with what is known now."""
    other = rehearsal(world)
    return _renewal(other, other.get("subscription", subscription["id"]))


def preview(world: World, fields: Fields) -> Object:
    """Of a change to a subscription, of a new one, or of the next renewal."""
    other = rehearsal(world)
    asked = fields.get("subscription_details", {})
    if "subscription" in fields:
        subscription = other.get("subscription", fields["subscription"], param="subscription")
        if fields.get("customer") not in (None, subscription["customer"]):
            raise StripeError("The subscription belongs to another customer.", param="customer")
        return _changed(other, subscription, asked, recurring=fields.get("preview_mode") == "recurring")
    if "customer" not in fields:
        raise missing("customer")
    if not asked.get("items"):
        return _of_items(other, other.get("customer", fields["customer"], param="customer"))
    given = {name: asked[name] for name in ("items", "trial_end", "billing_cycle_anchor") if name in asked}
    made = subscribing.create(
        other, {**given, "customer": fields["customer"], "payment_behavior": "default_incomplete"}
    )
    if made["latest_invoice"] is None:
        return _renewal(other, made)
    return _as_preview(other.get("invoice", made["latest_invoice"]))


def _changed(other: World, subscription: Object, asked: Fields, *, recurring: bool) -> Object:
    if asked.get("cancel_now"):
        before = subscription["latest_invoice"]
        ending.bill_what_is_left(other, subscription, other.now_for(subscription["customer"]))
        if subscription["latest_invoice"] == before:
            return _of_items(other, other.get("customer", subscription["customer"]))
        return _as_preview(other.get("invoice", subscription["latest_invoice"]))
    before = subscription["latest_invoice"]
    change = {name: asked[name] for name in CHANGING if name in asked}
    if recurring:
        change["proration_behavior"] = "none"
    if change:
        changing.update(other, subscription, change)
    if subscription["latest_invoice"] != before and not recurring:
        return _as_preview(other.get("invoice", subscription["latest_invoice"]))
    return _renewal(other, subscription)


def _renewal(other: World, subscription: Object) -> Object:
    if subscription["status"] in ending.ENDED or subscription["cancel_at_period_end"]:
        raise StripeError("No upcoming invoices for customer", code="invoice_upcoming_none", status=404)
    _, end = subscription_invoices.period_of(subscription)
    renewing.renew(other, subscription)
    invoice = other.get("invoice", subscription["latest_invoice"])
    subscription_items.refresh_usage(other, invoice)
    return _as_preview({**invoice, "next_payment_attempt": end + other.settings.draft_seconds, "created": end})


def _of_items(other: World, customer: Object) -> Object:
    pending = [item for item in other.store.all("invoiceitem") if item["invoice"] is None]
    own = [item for item in pending if item["customer"] == customer["id"]]
    if not own:
        raise StripeError("No upcoming invoices for customer", code="invoice_upcoming_none", status=404)
    invoice = invoicing.draft(
        other,
        customer=customer,
        currency=own[0]["currency"],
        lines=[invoice_lines.item_line(item) for item in own],
        reason="upcoming",
    )
    return _as_preview(invoice)


def _as_preview(invoice: Object) -> Object:
    return {
        **invoice,
        "id": f"upcoming_{invoice['id']}",
        "billing_reason": "upcoming"
        if invoice["billing_reason"] == "subscription_cycle"
        else invoice["billing_reason"],
        "status": "draft",
        "number": None,
        "attempt_count": 0,
        "attempted": False,
        "amount_paid": 0,
        "amount_remaining": invoice["amount_due"],
        "automatically_finalizes_at": None,
        "effective_at": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "webhooks_delivered_at": None,
        "status_transitions": dict.fromkeys(invoice["status_transitions"]),
    }
