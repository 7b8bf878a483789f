"""Staff book by a form, sent twice or not; commands give credit and prove the ledger."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.billing import services
from apps.billing.models import LedgerTransaction
from apps.billing.selectors import balance_of_account, lots_of_account
from apps.billing.tests.use import use
from apps.keys.models import ApiKey

USD = 1_000_000_000
ADD = "/admin/billing/ledgertransaction/add/"


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    root = User.objects.create_superuser("root@example.com", "a moon over the forest")
    client.force_login(root, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def book(client: Client, account_id: int, **fields: Any) -> str:
    known = {"account": account_id, "kind": "payment", "amount": "5.00", "reason": "By bank", "key": "form-1"}
    return client.post(ADD, known | fields, follow=True).content.decode()


def test_a_booking_sent_twice_books_once_and_says_who(staff: Client, cast: Cast) -> None:
    for _ in range(2):
        book(staff, cast.northwind.id)
    written = LedgerTransaction.objects.get()
    assert written.actor is not None and written.actor.email == "root@example.com"
    assert balance_of_account(account_id=cast.northwind.id).prepaid == 5 * USD
    page = staff.get(f"/admin/billing/ledgertransaction/{written.pk}/change/").content.decode()
    assert "Prepaid credit" in page and "-$5.00" in page


def test_what_cannot_be_booked_is_said(staff: Client, cast: Cast) -> None:
    assert "is left" in book(staff, cast.northwind.id, kind="refund")
    assert "is owed" in book(staff, cast.northwind.id, kind="write_off")
    assert "not refunded" in book(staff, cast.northwind.id, kind="usage_refund")
    assert "Only promotional credit ends" in book(
        staff, cast.northwind.id, expires_at_0="2031-01-01", expires_at_1="00:00:00"
    )
    assert not LedgerTransaction.objects.exists()


def test_promotional_credit_with_an_end(staff: Client, cast: Cast) -> None:
    book(staff, cast.northwind.id, kind="grant", expires_at_0="2031-01-01", expires_at_1="00:30:00")
    lot = lots_of_account(account_id=cast.northwind.id)[0]
    assert lot.expires_at is not None and f"{lot.expires_at:%H:%M}" == "01:00"


def test_commands(key: ApiKey, cast: Cast) -> None:
    out = StringIO()
    for _ in range(2):
        given = {"reason": "Welcome", "key": "k", "credit_limit": "0", "json": True}
        call_command("grant_credit", "northwind", "25", stdout=out, **given)
    assert json.loads(out.getvalue().splitlines()[-1]) == {"account": "northwind", "available_nano_usd": 25 * USD}
    cast.alice.refresh_from_db()
    use(key, "r", 700)
    services.post_usage()
    call_command("check_ledger", stdout=out)
    assert out.getvalue().endswith("The ledger is sound.\n")
    with pytest.raises(CommandError):
        call_command("grant_credit", "nobody", "25", reason="Welcome")


@pytest.mark.parametrize(
    ("what", "harm"),
    [
        ("transaction_unbalanced", "UPDATE billing_ledgerentry SET amount = amount + 1 WHERE amount > 0"),
        ("balance_not_its_entries", "UPDATE billing_ledgeraccount SET balance = balance + 1 WHERE kind = 'prepaid'"),
        ("charge_not_its_events", "DELETE FROM usage_usageevent"),
        ("charge_not_its_postings", "UPDATE usage_usagecharge SET posted = posted - 1"),
        ("usage_not_its_charges", "UPDATE billing_postedcharge SET cost = cost + 5"),
        ("posted_not_its_postings", "UPDATE billing_customer SET posted = 0"),
        ("credit_not_its_balance", "UPDATE accounts_account SET credit = 1 WHERE slug = 'northwind'"),
    ],
)
def test_what_was_changed_behind_its_back_is_found(key: ApiKey, what: str, harm: str) -> None:
    """By somebody who may do anything in the database: triggers do not run for a replica."""
    services.record_payment(account_id=key.account_id, amount=1000, key="paid", reason="paid")
    services.set_credit_limit(account_id=key.account_id, limit=0)
    use(key, "r", 700)
    services.post_usage()
    connection.check_constraints()
    assert services.check_ledger() == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(harm)
    assert what in {finding.what for finding in services.check_ledger()}
