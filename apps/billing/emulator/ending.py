"""How a subscription ends: at once, with its period, or because its first payment never came."""

from apps.billing.emulator import invoice_lines, invoice_payments, invoicing, subscription_invoices
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.parameters import Fields
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

ENDED = ("canceled", "incomplete_expired")


UPDATED = "customer.subscription.updated"


def end_now(
    world: World, subscription: Object, *, reason: str | None, details: Object | None = None, bill_usage: bool = False
) -> Object:
    """Canceled. What was used until now is billed where `bill_usage`, with what is pending."""
    now = world.now_for(subscription["customer"])
    if subscription["status"] == "incomplete":
        invoice = world.store.find("invoice", subscription["latest_invoice"])
        if invoice is not None and invoice["status"] == "open":
            invoicing.void(world, invoice)
    else:
        _stop_collecting(world, subscription)
    if bill_usage and subscription["status"] != "incomplete":
        bill_what_is_left(world, subscription, now)
    known = subscription["cancellation_details"] or {}
    world.change(
        subscription,
        None,
        status="canceled",
        canceled_at=subscription["canceled_at"] or now,
        ended_at=now,
        cancellation_details={
            "comment": None,
            "feedback": None,
            **known,
            **(details or {}),
            "reason": known.get("reason") or reason,
        },
    )
    world.emit("customer.subscription.deleted", subscription)
    return subscription


def bill_what_is_left(world: World, subscription: Object, now: int) -> None:
    this_second_too = now + 1
    lines = [
        line for line in subscription_invoices.usage_lines(world, subscription, this_second_too) if line["quantity"]
    ]
    pending = invoice_lines.take_pending(world, subscription["customer"], subscription["currency"], subscription["id"])
    if lines or pending:
        start, _ = subscription_invoices.period_of(subscription)
        fields = {"automatically_finalizes_at": now + world.settings.draft_seconds}
        subscription_invoices.new_invoice(
            world, subscription, lines, pending, reason="subscription_cycle", period=(start, now), fields=fields
        )


def _stop_collecting(world: World, subscription: Object) -> None:
    """What is open stays open; nobody tries to collect it any more."""
    for invoice in world.store.all("invoice"):
        if invoice["status"] == "open" and invoice_payments.subscription_of(world, invoice) is subscription:
            world.change(invoice, "invoice.updated", auto_advance=False, next_payment_attempt=None)


def expire_incomplete(world: World, subscription: Object) -> None:
    """A first payment that did not come within 23 hours."""
    invoice = world.store.find("invoice", subscription["latest_invoice"])
    if invoice is not None and invoice["status"] == "open":
        invoicing.void(world, invoice)
    now = world.now_for(subscription["customer"])
    world.change(subscription, UPDATED, status="incomplete_expired", ended_at=now)


def cancellation(fields: Fields, now: int, end: int) -> Object:
    """What `cancel_at_period_end`, `cancel_at` and `cancellation_details` change."""
    changes: Object = {}
    asked = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
    if fields.get("cancel_at_period_end"):
        changes = {"cancel_at_period_end": True, "cancel_at": end, "canceled_at": now, "cancellation_details": asked}
    elif "cancel_at_period_end" in fields:
        changes = {"cancel_at_period_end": False, "cancel_at": None, "canceled_at": None}
        changes["cancellation_details"] = {**asked, "reason": None}
    if "cancel_at" in fields:
        at = end if fields["cancel_at"] in ("min_period_end", "max_period_end") else fields["cancel_at"]
        if at is not None and at < now:
            raise StripeError("cancel_at must be in the future.", param="cancel_at")
        changes |= {"cancel_at": at, "canceled_at": now if at else None}
        changes["cancellation_details"] = asked if at else {**asked, "reason": None}
    if "cancellation_details" in fields:
        changes["cancellation_details"] = {
            **changes.get("cancellation_details", {**asked, "reason": None}),
            **fields["cancellation_details"],
        }
    return changes
