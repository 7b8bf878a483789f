"""Gives credit, takes payments, gives back. Each takes a `key`: done again under the same one, it changes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.contracts import Booked
from apps.billing.ledger import Book, system
from apps.billing.models import CreditLot, Customer, LedgerAccount, LedgerEntry, LedgerKind, TransactionKind
from apps.common.errors import Invalid
from apps.common.moments import hour_of
from apps.common.money import NANO_PER_USD, format_usd

MOST = 1_000_000 * NANO_PER_USD  # at once: what is more is a slip of the hand
LONGEST_KEY = 100
Amounts = list[tuple[LedgerAccount, int]]


def grant_credit(
    *,
    account_id: int,
    amount: int,
    key: str,
    reason: str,
    expires_at: datetime | None = None,
    actor_id: int | None = None,
) -> Booked:
    """Promotional credit in nano-dollars; `expires_at` is rounded up to the full hour. Raises Invalid, NotFound."""
    end = _full_hour(expires_at)
    if end is not None and end <= timezone.now():
        raise Invalid("expires_at", "Give a time in the future.")

    def amounts(book: Book) -> Amounts:
        lot = CreditLot.objects.create(account_id=account_id, amount=amount, description=_said(reason), expires_at=end)
        return [(book.own(LedgerKind.PROMOTIONAL, lot), amount), (system(LedgerKind.PROMOTIONS), -amount)]

    return _book(TransactionKind.GRANT, account_id, amount, key, reason, actor_id, amounts)


def record_payment(
    *,
    account_id: int,
    amount: int,
    key: str,
    reason: str,
    actor_id: int | None = None,
    through: LedgerKind = LedgerKind.PAYMENTS,
) -> Booked:
    """Prepaid credit for money that came by hand or through Stripe. What is owed for use is paid from it at once."""

    def amounts(book: Book) -> Amounts:
        prepaid, owed = book.own(LedgerKind.PREPAID), book.own(LedgerKind.RECEIVABLE)
        paid = min(amount + prepaid.balance, -owed.balance)
        return [
            (prepaid, amount),
            (system(through), -amount),
            *([(prepaid, -paid), (owed, paid)] if paid > 0 else []),
        ]

    return _book(TransactionKind.PAYMENT, account_id, amount, key, reason, actor_id, amounts)


def refund_payment(*, account_id: int, amount: int, key: str, reason: str, actor_id: int | None = None) -> Booked:
    """Gives prepaid credit back as money. Raises Invalid where less than that is left."""

    def amounts(book: Book) -> Amounts:
        prepaid = book.own(LedgerKind.PREPAID)
        if prepaid.balance < amount:
            raise Invalid("amount", f"Only {format_usd(prepaid.balance)} of prepaid credit is left.")
        return [(prepaid, -amount), (system(LedgerKind.PAYMENTS), amount)]

    return _book(TransactionKind.REFUND, account_id, amount, key, reason, actor_id, amounts, gained=-amount)


def record_refund(*, account_id: int, amount: int, key: str, reason: str) -> Booked:
    """A payment that Stripe has given back: a fact. What of it is not left as prepaid credit is owed from now on."""

    def amounts(book: Book) -> Amounts:
        prepaid = book.own(LedgerKind.PREPAID)
        less = min(amount, prepaid.balance)
        owed = book.own(LedgerKind.RECEIVABLE)
        return [(prepaid, -less), (owed, less - amount), (system(LedgerKind.STRIPE_CLEARING), amount)]

    return _book(TransactionKind.REFUND, account_id, amount, key, reason, None, amounts, gained=-amount)


def refund_usage(*, account_id: int, amount: int, key: str, reason: str, actor_id: int | None = None) -> Booked:
    """Gives back what was charged for use: first what is owed of it, the rest as prepaid credit.

    Raises Invalid where more would be given back than was ever charged.
    """

    def amounts(book: Book) -> Amounts:
        own = LedgerEntry.objects.filter(ledger_account__account=account_id, transaction__account=account_id)
        refunds = own.filter(transaction__kind=TransactionKind.USAGE_REFUND)
        given = refunds.aggregate(total=Sum("amount"))["total"] or 0
        if given + amount > book.customer.posted:
            left = format_usd(book.customer.posted - given)
            raise Invalid("amount", f"Only {left} of its use is posted and not refunded.")
        owed = book.own(LedgerKind.RECEIVABLE)
        less = min(amount, -owed.balance)
        return [(owed, less), (book.own(LedgerKind.PREPAID), amount - less), (system(LedgerKind.REFUNDS), -amount)]

    return _book(TransactionKind.USAGE_REFUND, account_id, amount, key, reason, actor_id, amounts)


def write_off(*, account_id: int, amount: int, key: str, reason: str, actor_id: int | None = None) -> Booked:
    """Gives up what is owed. Raises Invalid where less than that is."""

    def amounts(book: Book) -> Amounts:
        owed = book.own(LedgerKind.RECEIVABLE)
        if -owed.balance < amount:
            raise Invalid("amount", f"Only {format_usd(-owed.balance)} is owed.")
        return [(owed, amount), (system(LedgerKind.WRITE_OFFS), -amount)]

    return _book(TransactionKind.WRITE_OFF, account_id, amount, key, reason, actor_id, amounts)


@transaction.atomic
def set_credit_limit(*, account_id: int, limit: int | None) -> None:
    """How much use an account may owe, in nano-dollars: 0 stops its calls with its credit, None sets no limit."""
    if limit is not None and not 0 <= limit <= MOST:
        raise Invalid("credit_limit", f"Give a sum from $0 to {format_usd(MOST)}, or none for no limit.")
    book = Book.of(account_id)
    Customer.objects.filter(pk=account_id).update(credit_limit=limit)
    book.publish_credit()


def _book(
    kind: TransactionKind,
    account_id: int,
    amount: int,
    key: str,
    reason: str,
    actor_id: int | None,
    amounts: Callable[[Book], Amounts],
    *,
    gained: int | None = None,
) -> Booked:
    if not 0 < amount <= MOST:
        raise Invalid("amount", f"Give a sum above $0, at most {format_usd(MOST)}.")
    if not key or len(key) > LONGEST_KEY:
        raise Invalid("key", f"Give a key of at most {LONGEST_KEY} characters.")
    business_key = f"{kind}:{key}"
    with transaction.atomic():
        book = Book.of(account_id)
        known = book.known(business_key, kind, amount if gained is None else gained)
        if known is not None:
            return Booked(transaction_id=known.pk, is_new=False)
        written = book.write(
            kind,
            business_key,
            amounts(book),
            occurred_at=timezone.now(),
            description=_said(reason),
            actor_id=actor_id,
        )
        book.publish_credit()
    return Booked(transaction_id=written.pk, is_new=True)


def _said(reason: str) -> str:
    """Raises Invalid for none."""
    reason = " ".join(reason.split())
    if not reason or len(reason) > 200:
        raise Invalid("reason", "Say why, in at most 200 characters.")
    return reason


def _full_hour(moment: datetime | None) -> datetime | None:
    """Use is posted by the hour; a lot that ended within one would share it."""
    if moment is None:
        return None
    begin = hour_of(moment)
    return begin if begin == moment else begin + timedelta(hours=1)
