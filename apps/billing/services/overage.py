"""What subscribers owe for use beyond credit: onto Stripe's next invoice, cent by cent, and paid with it.

Stripe's meter counts cents, at a cent each: nothing is rounded there, and what is less than a cent waits for the next
batch. A batch is told until Stripe has it. Its identifier counts once within a day only, so before it is told again the
meter's own sum is asked whether it came.
"""

import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.ledger import Book
from apps.billing.models import (
    PREFIX,
    BatchState,
    LedgerAccount,
    LedgerKind,
    MeterBatch,
    OveragePrice,
    OwedCents,
    StripeCustomer,
    Subscription,
    TransactionKind,
)
from apps.billing.processor import CURRENCY, NANO_PER_CENT, client, is_configured, nano, translated
from apps.common.errors import Invalid, Unavailable
from apps.common.money import format_usd

METER, EVENT_NAME = "Use beyond credit", "artemis_overage_cents"
ERRORS = "v1.billing.meter.error_report_triggered"
CAME_BEFORE = "duplicate_meter_event"
BILLED = ("active", "past_due")  # what is used in a trial would never be on an invoice
MINUTE = 60
DELETED = "The customer was deleted at Stripe."
logger = logging.getLogger(__name__)


def bill_overage() -> int:
    """Puts what is owed on the next invoices, and tells Stripe's meter; how many batches it took."""
    if not is_configured():
        return 0
    for subscription in _owing():
        try:
            _add_meter(subscription)
            customer = StripeCustomer.of(subscription.account_id)
            if customer is not None:  # else deleted at Stripe, with its subscription
                put_on_invoice(account_id=subscription.account_id, customer_id=customer.stripe_id)
        except (Invalid, Unavailable):
            logger.exception("what %s owes cannot be put on an invoice yet", subscription.account)
    waiting = MeterBatch.objects.filter(state=BatchState.WAITING, livemode=settings.STRIPE_LIVE_MODE)
    # What it was for is owed again since the subscription has ended, which it did with its customer.
    waiting.filter(customer_id__in=StripeCustomer.ids_of_deleted()).update(state=BatchState.REFUSED, error=DELETED)
    waiting = waiting.filter(next_try_at__lte=timezone.now())
    return sum(_tell(batch) for batch in waiting.order_by("pk"))


def overage_price() -> str:
    """The id of Stripe's price for a cent that is owed; it and its meter are made where there are none."""
    live = settings.STRIPE_LIVE_MODE
    known = OveragePrice.objects.filter(livemode=live).first()
    if known is None:
        with translated():
            meter = _meter()
            price = client().v1.prices.create(
                {
                    "currency": CURRENCY,
                    "unit_amount": 1,
                    "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
                    "product_data": {"name": METER},
                }
            )
        OveragePrice.objects.bulk_create(
            [OveragePrice(livemode=live, meter_id=meter, stripe_id=price.id)], ignore_conflicts=True
        )
        known = OveragePrice.objects.get(livemode=live)
    return known.stripe_id


def is_overage(price: str) -> bool:
    return OveragePrice.objects.filter(stripe_id=price).exists()


def counted_by_stripe(*, account_id: int) -> int:
    """What Stripe's meter has of an account's customer, in cents, since ever. Raises Unavailable or Invalid."""
    told = MeterBatch.objects.filter(account_id=account_id, livemode=settings.STRIPE_LIVE_MODE)
    first = told.exclude(customer_id__in=StripeCustomer.ids_of_deleted()).earliest("pk")
    price = OveragePrice.objects.get(livemode=settings.STRIPE_LIVE_MODE)
    end = timezone.now() + timedelta(days=366)  # its clock may be ahead of ours
    with translated():
        sums = client().v1.billing.meters.event_summaries.list(
            price.meter_id,
            {
                "customer": first.customer_id,
                "start_time": _minute(first.created_at - timedelta(hours=1)),
                "end_time": _minute(end) + MINUTE,
            },
        )
        return int(sum(one.aggregated_value for one in sums.auto_paging_iter()))


def tell_again(*, batch_id: int) -> None:
    """Staff have looked why Stripe did not count it: it is told once more, as another event.

    Raises Invalid where Stripe has it after all, or another batch of the account waits; Unavailable.
    """
    batch = MeterBatch.objects.get(pk=batch_id)
    if batch.state != BatchState.REFUSED:
        raise Invalid("batch", "Only what Stripe did not count is told again.")
    if batch.customer_id in StripeCustomer.ids_of_deleted():
        raise Invalid("batch", f"{DELETED} What this was for is owed again since then.")
    if MeterBatch.objects.filter(account_id=batch.account_id, state=BatchState.WAITING).exists():
        raise Invalid("batch", "Another batch of this account waits: try again once Stripe has that one.", status=409)
    if _has_arrived(batch):
        _note(batch, BatchState.SENT, "")
        raise Invalid("batch", "Stripe has counted it meanwhile; nothing was told again.", status=409)
    MeterBatch.objects.filter(pk=batch_id, state=BatchState.REFUSED).update(
        reference=uuid.uuid4(), state=BatchState.WAITING, tries=0, next_try_at=timezone.now(), error=""
    )


def find_meter_errors() -> int:
    """Asks Stripe what its meter took and could not count; how many batches that were. No webhook tells of it."""
    price = OveragePrice.objects.filter(livemode=settings.STRIPE_LIVE_MODE).first()
    if price is None:
        return 0
    found = 0
    with translated():
        told = client().v2.core.events.list({"object_id": price.meter_id, "limit": 100})
        for event in told.data:
            if event.type == ERRORS:
                report: Any = client().v2.core.events.retrieve(event.id)
                for kind in report.data.reason.error_types:
                    found += sum(_note_error(sample) for sample in kind.sample_errors)
    return found


def _note_error(sample: Any) -> int:
    """Stripe names the event, or the key under which it was told."""
    batches = MeterBatch.objects.filter(state=BatchState.SENT)
    identifier = str(sample["request"]["identifier"])
    try:
        batches = batches.filter(reference=uuid.UUID(identifier.removeprefix(PREFIX)[:36]))
    except ValueError:
        return 0
    refused = batches.update(state=BatchState.REFUSED, error=sample.error_message[:500])
    if refused:
        logger.error("Stripe did not count %s: %s", identifier, sample.error_message)
    return refused


def _owing() -> list[Subscription]:
    owing = LedgerAccount.objects.filter(kind=LedgerKind.RECEIVABLE, balance__lte=-NANO_PER_CENT)
    waiting = MeterBatch.objects.filter(state=BatchState.WAITING)
    subscriptions = Subscription.objects.filter(
        status__in=BILLED, livemode=settings.STRIPE_LIVE_MODE, account__in=owing.values("account")
    )
    return list(
        subscriptions.exclude(stripe_id="")
        .exclude(account__in=waiting.values("account"))
        .exclude(is_metered=False, plan__credit_limit=0)
        .select_related("account", "plan")
    )


def _add_meter(subscription: Subscription) -> None:
    """To one that began before its plan let anything be owed."""
    if subscription.is_metered:
        return
    with translated():
        client().v1.subscription_items.create(
            {"subscription": subscription.stripe_id, "price": overage_price(), "proration_behavior": "none"}
        )
    Subscription.objects.filter(pk=subscription.pk).update(is_metered=True)


@transaction.atomic
def put_on_invoice(*, account_id: int, customer_id: str) -> None:
    """Makes a batch of what is owed, in whole cents, unless one waits; `customer_id` is Stripe's."""
    book = Book.of(account_id)
    if MeterBatch.objects.filter(account_id=account_id, state=BatchState.WAITING).exists():
        return
    cents = -book.own(LedgerKind.RECEIVABLE).balance // NANO_PER_CENT
    if cents <= 0:
        return
    batch = MeterBatch(account_id=account_id, livemode=settings.STRIPE_LIVE_MODE, customer_id=customer_id, cents=cents)
    take_onto_invoices(book, batch, key=batch.identifier, onto="the next invoice")


def take_onto_invoices(book: Book, asked: OwedCents, *, key: str, onto: str) -> None:
    """Moves what is asked for from what is owed, and keeps it together with that transaction."""
    amount = nano(asked.cents)
    asked.transaction = book.write(
        TransactionKind.METERING,
        f"{TransactionKind.METERING}:{key}",
        [(book.own(LedgerKind.RECEIVABLE), amount), (book.own(LedgerKind.METERED), -amount)],
        occurred_at=timezone.now(),
        description=f"{format_usd(amount)} of use goes on {onto}",
    )
    asked.save()


def _tell(batch: MeterBatch) -> bool:
    """Whether Stripe has it now. One process at a time tells of a batch."""
    if not batch.claim():
        return False
    try:
        if not (batch.tries and _has_arrived(batch)):
            with translated():
                client().v1.billing.meter_events.create(
                    {
                        "event_name": EVENT_NAME,
                        "identifier": batch.identifier,
                        "payload": {"stripe_customer_id": batch.customer_id, "value": str(batch.cents)},
                    },
                    {"idempotency_key": f"{batch.identifier}-{batch.tries}"},  # Stripe's reports may name it
                )
    except Invalid as error:
        if error.code != CAME_BEFORE:
            logger.exception("Stripe does not take %s", batch)
            _note(batch, BatchState.REFUSED, error.message)
            return False
    except Unavailable as error:
        _note(batch, BatchState.WAITING, error.message)
        return False
    _note(batch, BatchState.SENT, "")
    return True


def _has_arrived(batch: MeterBatch) -> bool:
    """Of one that was told before, without an answer. Raises Invalid where Stripe has another part of it.

    Raises Unavailable while the meter has not counted what was told before it: its sums come some time later.
    """
    sent = MeterBatch.objects.filter(
        customer_id=batch.customer_id, livemode=batch.livemode, state=BatchState.SENT, account_id=batch.account_id
    )
    more = counted_by_stripe(account_id=batch.account_id) - (sent.aggregate(total=Sum("cents"))["total"] or 0)
    if more < 0:
        raise Unavailable("Stripe's meter has not counted what it was told before.", retry_after=60)
    if more not in (0, batch.cents):
        raise Invalid(
            "batch", f"Stripe's meter has {more} cents more than it was told, and this batch has {batch.cents}."
        )
    return more == batch.cents


def _note(batch: MeterBatch, state: BatchState, error: str) -> None:
    sent = timezone.now() if state == BatchState.SENT else None
    MeterBatch.objects.filter(pk=batch.pk).update(state=state, sent_at=sent, error=error[:500])


def _meter() -> str:
    for known in client().v1.billing.meters.list({"status": "active", "limit": 100}).auto_paging_iter():
        if known.event_name == EVENT_NAME:
            return str(known.id)
    made = client().v1.billing.meters.create(
        {"display_name": METER, "event_name": EVENT_NAME, "default_aggregation": {"formula": "sum"}}
    )
    return str(made.id)


def _minute(moment: datetime) -> int:
    seconds = int(moment.astimezone(UTC).timestamp())
    return seconds - seconds % MINUTE
