"""Writes to the ledger: the customer's row locked, a transaction once by its business key, entries that sum to zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import F, Sum

from apps.accounts.selectors import account_exists, first_credit
from apps.accounts.services import set_account_credit
from apps.billing.models import (
    CUSTOMERS,
    CreditLot,
    Customer,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    TransactionKind,
)
from apps.common.errors import Invalid, NotFound

FIRST_TO_END = (F("lot__expires_at").asc(nulls_last=True), "lot_id")  # the order in which promotional credit is spent


def included_in(stripe_id: str, period_start: int) -> str:
    """With what the keys of a subscription's included use begin, of the month that begins then (Unix time)."""
    return f"included-{stripe_id}-{period_start}-"


@dataclass(slots=True)
class Book:
    """One customer's part of the ledger, open for writing until the database's transaction ends."""

    customer: Customer

    @classmethod
    def of(cls, account_id: int) -> Self:
        """Waits for whoever else writes there. Raises NotFound. To be called in a transaction."""
        customer = Customer.objects.select_for_update().filter(pk=account_id).first()
        if customer is None:
            if not account_exists(account_id=account_id):
                raise NotFound("There is no such account.")
            Customer.objects.bulk_create(
                [Customer(account_id=account_id, credit_limit=first_credit())], ignore_conflicts=True
            )
            customer = Customer.objects.select_for_update().get(pk=account_id)
        return cls(customer)

    def own(self, kind: LedgerKind, lot: CreditLot | None = None) -> LedgerAccount:
        return _ledger_account(kind, account_id=self.customer.pk, lot=lot)

    def known(self, business_key: str, kind: TransactionKind, amount: int | None = None) -> LedgerTransaction | None:
        """What was written under this key before, if anything.

        Raises Invalid where it was something else: another account's, another kind, or another sum for the customer.
        """
        found = LedgerTransaction.objects.filter(business_key=business_key).first()
        if found is None:
            return None
        same = found.account_id == self.customer.pk and found.kind == kind
        if not same or (amount is not None and _gained(found) != amount):
            raise Invalid("key", "Something else was booked under this key. Use another one.", status=409)
        return found

    def write(
        self,
        kind: TransactionKind,
        business_key: str,
        amounts: Iterable[tuple[LedgerAccount, int]],
        *,
        occurred_at: datetime,
        description: str,
        actor_id: int | None = None,
    ) -> LedgerTransaction:
        """Writes one transaction. Amounts of the same ledger account stay apart; those that are zero are left out."""
        entries = [(account, amount) for account, amount in amounts if amount]
        touched = {account.pk for account, _ in entries}
        # In order, so that two who write for different customers never wait for each other in a circle.
        list(LedgerAccount.objects.select_for_update().filter(pk__in=touched).order_by("pk").values_list("pk"))
        transaction = LedgerTransaction.objects.create(
            kind=kind,
            business_key=business_key,
            account_id=self.customer.pk,
            occurred_at=occurred_at,
            description=description,
            actor_id=actor_id,
        )
        LedgerEntry.objects.bulk_create(
            [LedgerEntry(transaction=transaction, ledger_account=account, amount=amount) for account, amount in entries]
        )
        return transaction

    def publish_credit(self) -> None:
        """Lets the gateways know what the account may use in all, since ever: they count what it has used themselves.

        That is what it was given, less what was taken back: its balance and all use that the ledger has, which thus
        does not change when use is posted. With it comes what it may owe.
        """
        customer = self.customer
        customer.refresh_from_db()
        credit = None
        if customer.credit_limit is not None:
            credit = balance_of(customer.pk) + customer.posted + customer.credit_limit
        set_account_credit(account_id=customer.pk, credit=credit)

    def add_posted(self, cost: int) -> None:
        Customer.objects.filter(pk=self.customer.pk).update(posted=F("posted") + cost)


def system(kind: LedgerKind, model: str = "") -> LedgerAccount:
    """A ledger account of the platform's own."""
    return _ledger_account(kind, model=model)


def balance_of(account_id: int) -> int:
    """What a customer has, less what it owes for use."""
    own = LedgerAccount.objects.filter(account_id=account_id, kind__in=CUSTOMERS)
    return own.aggregate(total=Sum("balance"))["total"] or 0


def _ledger_account(
    kind: LedgerKind, *, account_id: int | None = None, lot: CreditLot | None = None, model: str = ""
) -> LedgerAccount:
    wanted = {"kind": kind, "account_id": account_id, "lot": lot, "model": model}
    found = LedgerAccount.objects.filter(**wanted).first()
    if found is None:
        LedgerAccount.objects.bulk_create([LedgerAccount(**wanted)], ignore_conflicts=True)
        found = LedgerAccount.objects.get(**wanted)
    return found


def _gained(transaction: LedgerTransaction) -> int:
    """What the customer gained by it."""
    entries = LedgerEntry.objects.filter(transaction=transaction, ledger_account__account=transaction.account_id)
    return entries.aggregate(total=Sum("amount"))["total"] or 0
