"""Stripe's invoices in the ledger: fees are revenue, use that they took on is paid with them."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.contracts import InvoiceLine, NextInvoice
from apps.billing.ledger import Book, system
from apps.billing.models import (
    Dunning,
    LateInvoice,
    LateState,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    Subscription,
    TransactionKind,
)
from apps.billing.processor import client, nano, translated
from apps.billing.selectors import balance_of_account
from apps.billing.services.credit import record_refund
from apps.billing.services.overage import METER as OVERAGE
from apps.billing.services.overage import is_overage
from apps.common.money import format_usd


def preview_next_invoice(*, account_id: int) -> NextInvoice | None:
    """None where no subscription has one to come. Raises Unavailable or Invalid."""
    own = Subscription.objects.filter(account_id=account_id).exclude(stripe_id="").first()
    if own is None or not own.is_running or own.period_end is None:
        return None
    if own.ends_with_period:
        return _last_invoice(own, own.period_end)
    with translated():
        invoice = client().v1.invoices.create_preview({"subscription": own.stripe_id})
    return NextInvoice(
        due_at=own.period_end,
        lines=[
            InvoiceLine(description=_described(line), amount=nano(line.amount))
            for line in invoice.lines.data
            if line.amount
        ],
        total=nano(invoice.amount_due),
    )


def _last_invoice(own: Subscription, due_at: datetime) -> NextInvoice | None:
    """Of one that ends with its month, of which Stripe has no preview: the use that no invoice has asked for yet."""
    use = balance_of_account(account_id=own.account_id).metered
    use -= _asked_late(own.account_id)
    unpaid = Dunning.objects.filter(pk=own.account_id).first()
    if unpaid is not None and not LateInvoice.objects.filter(invoice_id=unpaid.invoice_id).exists():
        use -= _use_of(unpaid.invoice_id)
    return (
        NextInvoice(due_at=due_at, lines=[InvoiceLine(description=OVERAGE, amount=use)], total=use) if use > 0 else None
    )


def book_paid(account_id: int, invoice: Any) -> None:
    """Once. What was paid by a balance that staff gave at Stripe, and not by the customer, is a payment by hand."""
    use = _use_of(invoice.id)
    given = min(use, max(0, nano(invoice.total - invoice.amount_paid)))
    name = f"invoice {invoice.number or invoice.id}"
    book_fee(account_id, invoice.id, amount=nano(invoice.amount_paid) - (use - given), name=name)
    book_use(account_id, invoice.id, amount=use, given=given, name=name)
    _settle_late(invoice.id)


@transaction.atomic
def book_fee(account_id: int, invoice_id: str, *, amount: int, name: str) -> None:
    key = f"{TransactionKind.FEE}:stripe-{invoice_id}"
    book = Book.of(account_id)
    if amount and book.known(key, TransactionKind.FEE, 0) is None:
        book.write(
            TransactionKind.FEE,
            key,
            [(system(LedgerKind.REVENUE, "subscriptions"), amount), (system(LedgerKind.STRIPE_CLEARING), -amount)],
            occurred_at=timezone.now(),
            description=f"Subscription, {name}",
        )


@transaction.atomic
def book_use(account_id: int, invoice_id: str, *, amount: int, given: int, name: str) -> None:
    """The use that was on a paid invoice; `given` of it was not paid by the customer."""
    key = f"{TransactionKind.PAYMENT}:stripe-{invoice_id}"
    book = Book.of(account_id)
    if amount and book.known(key, TransactionKind.PAYMENT, amount) is None:
        metered, owed = book.own(LedgerKind.METERED), book.own(LedgerKind.RECEIVABLE)
        paid = min(amount, -metered.balance)
        more = min(amount - paid, -owed.balance)  # it was taken off the invoices, and was on one after all
        book.write(
            TransactionKind.PAYMENT,
            key,
            [
                (metered, paid),
                (owed, more),
                (book.own(LedgerKind.PREPAID), amount - paid - more),  # what Stripe billed beyond is the customer's
                (system(LedgerKind.STRIPE_CLEARING), given - amount),
                (system(LedgerKind.PAYMENTS), -given),
            ],
            occurred_at=timezone.now(),
            description=f"Use beyond credit, {name}",
        )
        book.publish_credit()


def book_voided(account_id: int, invoice: Any) -> None:
    """Nobody will ask for the use that was on it."""
    name = f"invoice {invoice.number or invoice.id}"
    give_up_use(account_id, invoice.id, amount=_use_of(invoice.id), name=name)
    _settle_late(invoice.id)


def _settle_late(invoice_id: str) -> None:
    LateInvoice.objects.filter(invoice_id=invoice_id).update(state=LateState.SETTLED)


@transaction.atomic
def give_up_use(account_id: int, invoice_id: str, *, amount: int, name: str) -> None:
    key = f"{TransactionKind.WRITE_OFF}:stripe-{invoice_id}"
    book = Book.of(account_id)
    owed = book.own(LedgerKind.METERED)
    less = min(amount, -owed.balance)
    if less > 0 and book.known(key, TransactionKind.WRITE_OFF) is None:
        book.write(
            TransactionKind.WRITE_OFF,
            key,
            [(owed, less), (system(LedgerKind.WRITE_OFFS), -less)],
            occurred_at=timezone.now(),
            description=f"Use beyond credit, {name}, which was cancelled",
        )
        book.publish_credit()


def owe_again(*, account_id: int, customer_id: str, subscription_id: str) -> None:
    """The use that no invoice of an ended subscription has asked for: the next payment covers it. Once."""
    key = f"{TransactionKind.METERING}:ended-{subscription_id}"
    unpaid = invoices_of(customer_id, "draft", "open", "uncollectible")
    asked = sum(_use_of(one.id) for one in unpaid if subscription_of(one))
    with transaction.atomic():
        book = Book.of(account_id)
        metered, owed = book.own(LedgerKind.METERED), book.own(LedgerKind.RECEIVABLE)
        left = -metered.balance - asked - _asked_late(account_id)
        if left <= 0 or book.known(key, TransactionKind.METERING) is not None:
            return
        paid = min(left, max(0, book.own(LedgerKind.PREPAID).balance))
        book.write(
            TransactionKind.METERING,
            key,
            [(metered, left), (owed, paid - left), (book.own(LedgerKind.PREPAID), -paid)],
            occurred_at=timezone.now(),
            description=f"{format_usd(left)} of use is on no invoice after all",
        )


def book_returned(account_id: int, told: Any, invoice: Any, *, reason: str) -> None:
    """A payment of an invoice that was refunded, or is disputed: what paid for use in it is then owed again.

    A refund that staff give is no claim; only a disputed payment is.
    """
    amount = nano(told.amount)
    key = f"{TransactionKind.PAYMENT}:stripe-{invoice.id}"
    own = LedgerEntry.objects.filter(transaction__business_key=key, ledger_account__account_id=account_id)
    paid = own.aggregate(total=Sum("amount"))["total"] or 0
    use = min(amount, paid) if told.object == "dispute" else 0
    if use:
        record_refund(account_id=account_id, amount=use, key=f"stripe-{told.id}", reason=reason)
    if amount - use:
        _return_fee(account_id, told, amount=amount - use, reason=reason)


@transaction.atomic
def _return_fee(account_id: int, told: Any, *, amount: int, reason: str) -> None:
    book = Book.of(account_id)
    key = f"{TransactionKind.FEE_REFUND}:stripe-{told.id}"
    if book.known(key, TransactionKind.FEE_REFUND, 0) is None:
        book.write(
            TransactionKind.FEE_REFUND,
            key,
            [(system(LedgerKind.REFUNDS), -amount), (system(LedgerKind.STRIPE_CLEARING), amount)],
            occurred_at=timezone.now(),
            description=reason,
        )


@transaction.atomic
def book_returned_again(told: Any, *, reason: str) -> None:
    """A refund of an invoice's payment that failed, or a dispute that was won: its fee is revenue after all."""
    taken = LedgerTransaction.objects.filter(business_key=f"{TransactionKind.FEE_REFUND}:stripe-{told.id}").first()
    if taken is None:
        return
    book = Book.of(taken.account_id)
    amount = moved_at_stripe(taken)
    key = f"{TransactionKind.FEE}:stripe-{told.id}-again"
    if book.known(key, TransactionKind.FEE, 0) is None:
        book.write(
            TransactionKind.FEE,
            key,
            [(system(LedgerKind.REFUNDS), amount), (system(LedgerKind.STRIPE_CLEARING), -amount)],
            occurred_at=timezone.now(),
            description=reason,
        )


def moved_at_stripe(taken: LedgerTransaction) -> int:
    """What a transaction took back through Stripe."""
    entries = taken.entries.filter(ledger_account__kind=LedgerKind.STRIPE_CLEARING)
    return entries.aggregate(total=Sum("amount"))["total"] or 0


def invoices_of(customer_id: str, *statuses: str) -> list[Any]:
    """Stripe's, of a customer. Raises Unavailable or Invalid."""
    found: list[Any] = []
    with translated():
        for status in statuses:
            asked: Any = {"customer": customer_id, "status": status, "limit": 100}
            found += client().v1.invoices.list(asked).auto_paging_iter()
    return found


def invoice_of_payment(intent_id: str) -> Any:
    """The invoice that a payment is for, or None."""
    with translated():
        listed = client().v1.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent_id}})
        return client().v1.invoices.retrieve(str(listed.data[0].invoice)) if listed.data else None


def subscription_of(invoice: Any) -> str:
    parent = invoice.get("parent") or {}
    details = parent.get("subscription_details") or {}
    return str(details.get("subscription") or "")


def _asked_late(account_id: int) -> int:
    """What is on an invoice of its own, or about to be, and is neither paid nor given up."""
    unsettled = LateInvoice.objects.filter(account_id=account_id).exclude(state=LateState.SETTLED)
    return nano(unsettled.aggregate(total=Sum("cents"))["total"] or 0)


def _use_of(invoice_id: str) -> int:
    late = LateInvoice.objects.filter(invoice_id=invoice_id).first()
    if late is not None:
        return nano(late.cents)
    with translated():
        lines = list(client().v1.invoices.line_items.list(invoice_id, {"limit": 100}).auto_paging_iter())
    return nano(sum(line.amount for line in lines if is_overage(_price_of(line))))


def _described(line: Any) -> str:
    return OVERAGE if is_overage(_price_of(line)) else str(line.description or "Subscription")


def _price_of(line: Any) -> str:
    details = line.pricing.price_details if line.pricing else None
    return str(details.price) if details else ""
