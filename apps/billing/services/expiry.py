"""Takes back what is left of promotional credit after its end, once the use before that end is posted."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.billing.ledger import Book, system
from apps.billing.models import CreditLot, LedgerKind, TransactionKind
from apps.billing.services.usage import GRACE, post_account

logger = logging.getLogger(__name__)
LATER = GRACE + timedelta(minutes=3)


def expire_credit(*, now: datetime | None = None) -> int:
    """How many lots ended. What still comes late of the use before has a right to them all the same (usage.py)."""
    due = CreditLot.objects.filter(swept_at=None, expires_at__lte=(now or timezone.now()) - LATER)
    return sum(_sweep(lot_id, account_id) for lot_id, account_id in due.values_list("pk", "account_id"))


@transaction.atomic
def _sweep(lot_id: int, account_id: int) -> bool:
    book = Book.of(account_id)
    lot = CreditLot.objects.get(pk=lot_id)
    if lot.swept_at is not None or lot.expires_at is None:
        return False
    post_account(account_id=account_id, before=lot.expires_at)
    own = book.own(LedgerKind.PROMOTIONAL, lot)
    left = own.balance
    if left:
        book.write(
            TransactionKind.EXPIRY,
            f"expiry:{lot.pk}",
            [(own, -left), (system(LedgerKind.PROMOTIONS), left)],
            occurred_at=lot.expires_at,
            description=f"Ended: {lot.description}"[:500],
        )
    CreditLot.objects.filter(pk=lot.pk).update(swept_at=timezone.now(), swept=left)
    book.publish_credit()
    return True
