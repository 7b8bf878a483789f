"""Brings use into the ledger, hour by hour, each part of it once.

What an hour cost is recorded in `usage_usagecharge`, by the prices of the requests' own time, and beside it how much
of that the ledger has. The difference is posted: at first the whole hour, then what comes late, as a correction of that
hour by another transaction. Nothing that is written is changed.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.billing.ledger import FIRST_TO_END, Book, system
from apps.billing.models import CreditLot, LedgerAccount, LedgerKind, LedgerTransaction, PostedCharge, TransactionKind
from apps.common.moments import hour_of
from apps.usage import selectors as usage
from apps.usage.contracts import UnpostedCharge
from apps.usage.services import claim_unposted, mark_posted

# After an hour's end; calls that began in it may still be running, and come as its correction.
GRACE = timedelta(minutes=2)
logger = logging.getLogger(__name__)


def post_usage(*, now: datetime | None = None) -> int:
    """Posts the use of all hours that are over; how many transactions were written."""
    end = hour_of((now or timezone.now()) - GRACE)
    written = 0
    for account_id in usage.accounts_with_unposted(before=end):
        try:
            written += post_account(account_id=account_id, before=end)
        except Exception:  # one account's trouble must not hold up the bills of the others
            logger.exception("the use of account %d could not be posted; it is tried again", account_id)
    return written


@transaction.atomic
def post_account(*, account_id: int, before: datetime) -> int:
    """Posts one account's use of the hours before this one; how many transactions were written."""
    book = Book.of(account_id)
    charges = claim_unposted(account_id=account_id, before=before)
    hours = 0
    for hour, group in groupby(charges, key=lambda charge: charge.hour):
        _post_hour(book, hour, list(group))
        hours += 1
    mark_posted(charges=charges)
    return hours


def _post_hour(book: Book, hour: datetime, charges: list[UnpostedCharge]) -> None:
    cost = sum(charge.cost for charge in charges)
    account_id = book.customer.pk
    name = f"usage:{account_id}:{hour:%Y%m%d%H}"
    earlier = LedgerTransaction.objects.filter(
        account_id=account_id, kind=TransactionKind.USAGE, occurred_at=hour
    ).count()
    revenue: Counter[str] = Counter()
    for charge in charges:
        revenue[charge.model] += charge.cost
    paid = list(_paid_from(book, hour, cost))
    written = book.write(
        TransactionKind.USAGE,
        f"{name}:{earlier + 1}",
        [
            *paid,
            *((system(LedgerKind.REVENUE, model), gain) for model, gain in revenue.items()),
        ],
        occurred_at=hour,
        description="More use" if earlier else "Use",
    )
    PostedCharge.objects.bulk_create(
        PostedCharge(transaction=written, charge_id=charge.id, cost=charge.cost) for charge in charges
    )
    book.add_posted(cost)
    if any(place.kind == LedgerKind.PROMOTIONS for place, _ in paid):  # what had ended is there again for this use
        book.publish_credit()


def _paid_from(book: Book, hour: datetime, cost: int) -> Iterable[tuple[LedgerAccount, int]]:
    """What pays for an hour's use: promotional credit that ends first, then prepaid credit; the rest is owed."""
    for own, lot in _lots(book.customer.pk, hour):
        swept = min(cost, lot.swept)
        if swept:  # it was taken back at its end, but this use was before that
            CreditLot.objects.filter(pk=lot.pk).update(swept=F("swept") - swept)
            yield system(LedgerKind.PROMOTIONS), -swept
            yield own, swept
            yield own, -swept
        used = min(cost - swept, own.balance)
        yield own, -used
        cost -= swept + used
    prepaid = book.own(LedgerKind.PREPAID)
    used = min(cost, max(0, prepaid.balance))
    yield prepaid, -used
    yield book.own(LedgerKind.RECEIVABLE), used - cost


def _lots(account_id: int, hour: datetime) -> Iterable[tuple[LedgerAccount, CreditLot]]:
    """Promotional credit that did not end before this hour, and of which something is left or was taken back."""
    alive = Q(lot__expires_at=None) | Q(lot__expires_at__gt=hour)
    own = LedgerAccount.objects.filter(alive, account_id=account_id, kind=LedgerKind.PROMOTIONAL)
    rows = own.exclude(balance=0, lot__swept=0).select_related("lot").order_by(*FIRST_TO_END)
    return [(row, row.lot) for row in rows if row.lot is not None]
