"""What no code can get around, tried as SQL: by the platform's own user of the database, who owns the tables."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction

from apps.accounts.tests.cast import Cast
from apps.billing import services
from apps.billing.models import LedgerAccount, LedgerEntry, LedgerTransaction

TRANSACTION = (
    "INSERT INTO billing_ledgertransaction (kind, business_key, account_id, occurred_at, posted_at, description) "
    "VALUES ('grant', 'by hand', %s, now(), now(), 'by hand') RETURNING id"
)
ENTRY = "INSERT INTO billing_ledgerentry (transaction_id, ledger_account_id, amount) VALUES (%s, %s, %s)"


@pytest.fixture
def booked(cast: Cast) -> LedgerTransaction:
    done = services.grant_credit(account_id=cast.northwind.id, amount=500, key="welcome", reason="Welcome")
    connection.check_constraints()
    return LedgerTransaction.objects.get(pk=done.transaction_id)


def sql(statement: str, *values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0] if cursor.description else cursor.rowcount


@contextmanager
def refused(why: str) -> Iterator[None]:
    with pytest.raises(DatabaseError, match=why), transaction.atomic():
        yield
        connection.check_constraints()  # what would be looked at as it is committed


@pytest.mark.parametrize("amounts", [(), (5,), (5, -4), (5, 5), (2**62, 2**62)])
def test_a_transaction_that_does_not_sum_to_zero(booked: LedgerTransaction, amounts: tuple[int, ...]) -> None:
    accounts = list(LedgerAccount.objects.order_by("pk").values_list("pk", flat=True))
    with refused("sum to zero|out of range"):
        written = sql(TRANSACTION, booked.account_id)
        for account, amount in zip(accounts, amounts, strict=False):
            sql(ENTRY, written, account, amount)


def test_an_entry_more_after_the_check(booked: LedgerTransaction) -> None:
    """Also one that is written after the constraints were looked at, in the same transaction of the database."""
    ours, theirs = LedgerAccount.objects.order_by("pk").values_list("pk", flat=True)
    with refused("sum to zero"):
        written = sql(TRANSACTION, booked.account_id)
        sql(ENTRY, written, ours, 5)
        sql(ENTRY, written, theirs, -5)
        connection.check_constraints()
        sql(ENTRY, written, ours, 1)


@pytest.mark.django_db(transaction=True)
def test_entries_for_a_transaction_that_is_written(booked: LedgerTransaction) -> None:
    ours, theirs = LedgerAccount.objects.order_by("pk").values_list("pk", flat=True)
    with refused("no more entries"):
        sql(ENTRY, booked.pk, ours, 5)
        sql(ENTRY, booked.pk, theirs, -5)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_ledgerentry SET amount = amount * 2",
        "UPDATE billing_ledgertransaction SET description = 'something else'",
        "DELETE FROM billing_ledgerentry",
        "DELETE FROM billing_ledgertransaction",
        "SET LOCAL artemis.ledger_may_be_emptied = off; TRUNCATE billing_ledgerentry",
        "SET LOCAL artemis.ledger_may_be_emptied = off; TRUNCATE accounts_account CASCADE",
    ],
)
def test_a_change_of_what_is_written(booked: LedgerTransaction, statement: str) -> None:
    with refused("append-only"):
        sql(statement)
    assert LedgerEntry.objects.count() == 2


def test_a_second_transaction_of_the_same_key(booked: LedgerTransaction) -> None:
    with refused("duplicate key"):
        sql(TRANSACTION.replace("'by hand', %s", "'grant:welcome', %s"), booked.account_id)


def test_an_entry_of_nothing(booked: LedgerTransaction) -> None:
    ours, theirs = LedgerAccount.objects.order_by("pk").values_list("pk", flat=True)
    with refused("entry_not_zero"):
        written = sql(TRANSACTION, booked.account_id)
        sql(ENTRY, written, ours, 0)
        sql(ENTRY, written, theirs, 0)


def test_a_balance_follows_entries_that_were_written_by_hand(booked: LedgerTransaction) -> None:
    ours, theirs = LedgerAccount.objects.order_by("pk").values_list("pk", flat=True)
    written = sql(TRANSACTION, booked.account_id)
    sql(ENTRY, written, ours, 7)
    sql(ENTRY, written, theirs, -7)
    connection.check_constraints()
    assert list(LedgerAccount.objects.order_by("pk").values_list("balance", flat=True)) == [507, -507]
