"""Use that an ended subscription left: asked for on an invoice of its own, by the card that paid for the subscription.

Stripe bills its meter on a subscription's invoices only. What is posted after the last of them, and what Stripe threw
away with a subscription that it gave up, is on none. An invoice is made until Stripe has it: its metadata names our
row, so that one whose answer was lost is found, and is not made twice.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from apps.accounts.selectors import is_suspended
from apps.billing.ledger import Book
from apps.billing.models import (
    ENDED,
    Dunning,
    LateInvoice,
    LateState,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    StripeCustomer,
    Subscription,
    TransactionKind,
)
from apps.billing.processor import CURRENCY, client, is_configured, nano, translated
from apps.billing.services.auto_top_ups import saved_card
from apps.billing.services.letters import write_about_money
from apps.billing.services.overage import take_onto_invoices
from apps.common.errors import ArtemisError
from apps.common.money import format_usd

LEAST = 50  # cents; what Stripe charges at least: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LATER = timedelta(days=1)  # after the end, so that what comes late is on the same invoice
METADATA = "artemis_late_use"
logger = logging.getLogger(__name__)


def bill_late_use(*, now: datetime | None = None) -> int:
    """Makes the invoices that are due; how many Stripe took."""
    if not is_configured():
        return 0
    now = now or timezone.now()
    for subscription in _owing(now):
        customer = StripeCustomer.of(subscription.account_id)
        if customer is not None and not is_suspended(account_id=subscription.account_id):
            put_on_late_invoice(account_id=subscription.account_id, customer_id=customer.stripe_id)
    waiting = LateInvoice.objects.filter(state=LateState.WAITING, livemode=settings.STRIPE_LIVE_MODE)
    _ask_who_follows(waiting)
    waiting = waiting.filter(next_try_at__lte=max(now, timezone.now()))
    return sum(_make(late) for late in waiting.order_by("pk"))


def _ask_who_follows(waiting: QuerySet[LateInvoice]) -> None:
    """A customer who was deleted at Stripe before anything was put on the invoice."""
    for late in waiting.filter(invoice_id="", customer_id__in=StripeCustomer.ids_of_deleted()):
        follower = StripeCustomer.of(late.account_id)
        if follower is not None:
            LateInvoice.objects.filter(pk=late.pk).update(customer_id=follower.stripe_id)


def _owing(now: datetime) -> list[Subscription]:
    """Ended ones. Who has an invoice that is not paid is asked for no more until it is."""
    owing = LedgerAccount.objects.filter(kind=LedgerKind.RECEIVABLE, balance__lte=-nano(LEAST))
    ended = Subscription.objects.filter(
        status__in=ENDED,
        livemode=settings.STRIPE_LIVE_MODE,
        ended_at__lte=now - LATER,
        account__in=owing.values("account"),
    )
    unsettled = LateInvoice.objects.exclude(state=LateState.SETTLED)
    return list(
        ended.exclude(stripe_id="")
        .exclude(account__in=unsettled.values("account"))
        .exclude(account__in=Dunning.objects.values("account"))
    )


@transaction.atomic
def put_on_late_invoice(*, account_id: int, customer_id: str) -> None:
    """Takes what is owed of before the subscription's end, in whole cents, onto an invoice that is to be made."""
    book = Book.of(account_id)
    own = Subscription.objects.filter(account_id=account_id, status__in=ENDED).first()
    unsettled = LateInvoice.objects.filter(account_id=account_id).exclude(state=LateState.SETTLED)
    if own is None or own.ended_at is None or unsettled.exists():
        return
    cents = _owed_at(book.own(LedgerKind.RECEIVABLE), own.ended_at) // nano(1)
    if cents < LEAST:
        return
    late = LateInvoice(account_id=account_id, livemode=own.livemode, customer_id=customer_id, cents=cents)
    take_onto_invoices(book, late, key=f"late-{late.reference}", onto="an invoice of its own")


def _owed_at(owed: LedgerAccount, ended_at: datetime) -> int:
    """What is left of it: payments cover the oldest first. For use after the end nobody gave a card."""
    after = LedgerEntry.objects.filter(
        ledger_account=owed, transaction__kind=TransactionKind.USAGE, transaction__occurred_at__gte=ended_at
    )
    return int((after.aggregate(total=Sum("amount"))["total"] or 0) - owed.balance)


def _make(late: LateInvoice) -> bool:
    """Whether Stripe has it now. One process at a time makes one."""
    if not late.claim():
        return False
    try:
        invoice = _known(late) or _drafted(late)
        LateInvoice.objects.filter(pk=late.pk).update(invoice_id=invoice.id)
        if invoice.status == "draft":
            _complete(late, invoice)
    except ArtemisError as error:
        logger.warning("the invoice of late use %s cannot be made for now: %s", late.reference, error)
        LateInvoice.objects.filter(pk=late.pk).update(error=error.message[:500])
        return False
    with transaction.atomic():
        made = LateInvoice.objects.filter(pk=late.pk, state=LateState.WAITING)
        if made.update(state=LateState.ASKED, error=""):
            write_about_money(
                account_id=late.account_id,
                subject="The last use of your subscription",
                template="late_use",
                amount=format_usd(nano(late.cents)),
            )
    return True


def _known(late: LateInvoice) -> Any:
    """The invoice that was begun before, or None."""
    with translated():
        if late.invoice_id:
            return client().v1.invoices.retrieve(late.invoice_id)
        if not late.tries:
            return None
        listed = client().v1.invoices.list({"customer": late.customer_id, "limit": 100})
        return next((one for one in listed.auto_paging_iter() if _is_for(late, one)), None)


def _is_for(late: LateInvoice, invoice: Any) -> bool:
    return bool((invoice.metadata or {}).get(METADATA) == str(late.reference))


def _drafted(late: LateInvoice) -> Any:
    """A draft, which Stripe does not finish by itself: it has nothing on it yet."""
    card = saved_card(account_id=late.account_id)
    with translated():
        return client().v1.invoices.create(
            {
                "customer": late.customer_id,
                "currency": CURRENCY,
                "collection_method": "charge_automatically",
                "auto_advance": False,
                "pending_invoice_items_behavior": "exclude",
                "description": "Use of the subscription that has ended",
                "metadata": {METADATA: str(late.reference)},
                **({"default_payment_method": card.id} if card is not None else {}),
            },
            {"idempotency_key": f"{METADATA}-{late.reference}-{late.tries}"},
        )


def _complete(late: LateInvoice, invoice: Any) -> None:
    with translated():
        if not client().v1.invoices.line_items.list(invoice.id).data:
            client().v1.invoice_items.create(
                {
                    "customer": late.customer_id,
                    "invoice": invoice.id,
                    "amount": late.cents,
                    "currency": CURRENCY,
                    "description": "Use beyond credit",
                },
                {"idempotency_key": f"{METADATA}-{late.reference}-item"},
            )
        client().v1.invoices.finalize_invoice(invoice.id, {"auto_advance": True})
