"""Reads what accounts have, by the ledger. Everything owned is asked for by account."""

from django.db.models import Sum

from apps.accounts.selectors import first_credit
from apps.billing import processor
from apps.billing.contracts import Balance, CreditChange, Lot, Payments
from apps.billing.ledger import FIRST_TO_END
from apps.billing.models import Customer, LedgerAccount, LedgerEntry, LedgerKind, LedgerTransaction
from apps.usage.selectors import unposted_cost


def payments() -> Payments:
    """How money comes here, if it does."""
    return Payments(are_taken=processor.is_configured(), by_stand_in=processor.is_stand_in())


def balance_of_account(*, account_id: int) -> Balance:
    sums = dict(
        LedgerAccount.objects.filter(account_id=account_id)
        .order_by()
        .values_list("kind")
        .annotate(total=Sum("balance"))
    )
    customer = Customer.objects.filter(pk=account_id).first()
    return Balance(
        prepaid=sums.get(LedgerKind.PREPAID, 0),
        promotional=sums.get(LedgerKind.PROMOTIONAL, 0),
        owed=-sums.get(LedgerKind.RECEIVABLE, 0),
        unposted=unposted_cost(account_id=account_id),
        limit=customer.credit_limit if customer else first_credit(),
    )


def lots_of_account(*, account_id: int) -> list[Lot]:
    """Promotional credit that is left, in the order in which it is spent."""
    rows = LedgerAccount.objects.filter(account_id=account_id, kind=LedgerKind.PROMOTIONAL, balance__gt=0)
    return [
        Lot(
            description=row.lot.description,
            amount=row.lot.amount,
            left=row.balance,
            granted_at=row.lot.granted_at,
            expires_at=row.lot.expires_at,
        )
        for row in rows.select_related("lot").order_by(*FIRST_TO_END)
        if row.lot is not None
    ]


def credit_history(*, account_id: int, limit: int = 100, before: int | None = None) -> list[CreditChange]:
    """An account's transactions, the newest first; `before` (an id) pages back."""
    rows = LedgerTransaction.objects.filter(account_id=account_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    page = list(rows.order_by("-pk")[:limit])
    if not page:
        return []
    own = LedgerEntry.objects.filter(ledger_account__account_id=account_id, transaction__account_id=account_id)
    gains = dict(
        own.filter(transaction__in=page).order_by().values_list("transaction_id").annotate(total=Sum("amount"))
    )
    balance = own.filter(transaction_id__lte=page[0].pk).aggregate(total=Sum("amount"))["total"] or 0
    changes = []
    for row in page:
        changes.append(
            CreditChange(
                id=row.pk,
                kind=row.kind,
                description=row.description,
                occurred_at=row.occurred_at,
                posted_at=row.posted_at,
                amount=gains.get(row.pk, 0),
                balance=balance,
            )
        )
        balance -= gains.get(row.pk, 0)
    return changes
