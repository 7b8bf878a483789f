"""Requests, their sums and the ledger agree; whatever is changed behind their back is found, by name and size."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.billing import services
from apps.billing.contracts import Reconciled
from apps.billing.models import Reconciliation
from apps.billing.selectors import last_reconciliation
from apps.catalog.models import AIModel, PriceVersion
from apps.common.errors import Invalid
from apps.common.redis import sync_redis
from apps.keys.models import ApiKey
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)


@pytest.fixture(autouse=True)
def _empty_streams() -> Iterator[None]:
    sync_redis().delete("art:usage", "art:usage:dead", "art:reconciled")
    yield
    sync_redis().delete("art:usage", "art:usage:dead", "art:reconciled")


@pytest.fixture
def price(db: None) -> PriceVersion:
    """A nano-dollar for a token of output; the others are free, but for thoughts: three of them for two."""
    model = AIModel.objects.create(public_name="moon")
    return PriceVersion.objects.create(
        ai_model=model, valid_from=NOW - timedelta(days=90), output_price=10**6, reasoning_price=1_500_000
    )


def use(key: ApiKey, price: PriceVersion, request_id: str, cost: int, *, at: datetime, **fields: Any) -> None:
    known = {"cost": cost, "output_tokens": cost, "started_at": at.isoformat(), "price_version": price.pk}
    record_events(events=[event(key, request_id, **(known | fields))])


@pytest.fixture
def books(key: ApiKey, price: PriceVersion) -> ApiKey:
    """An account that paid, was granted credit, used, was given back, and uses at this moment."""
    booked: dict[str, Any] = {"account_id": key.account_id, "reason": "because"}
    services.record_payment(amount=10_000, key="paid", **booked)
    services.grant_credit(amount=500, key="given", **booked)
    services.set_credit_limit(account_id=key.account_id, limit=0)
    for number in range(4):
        use(key, price, f"old {number}", 700, at=YESTERDAY, model=("moon", "mars")[number % 2])
    services.post_usage()
    services.refund_usage(amount=100, key="back", **booked)
    services.refund_payment(amount=50, key="out", **booked)
    use(key, price, "young", 40, at=NOW)
    connection.check_constraints()
    return key


def harm(statement: str) -> None:
    """By somebody who may do anything in the database: triggers do not run for a replica."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)


def reconcile(**options: Any) -> Reconciled:
    return services.reconcile(patience=0, **options)


def names(reconciled: Reconciled) -> set[str]:
    return {finding.what for finding in reconciled.findings}


def test_books_that_agree(books: ApiKey) -> None:
    reconciled = reconcile()
    assert reconciled.findings == [] and reconciled.is_clean
    assert [(one.what, one.difference) for one in reconciled.explained] == [("use_not_posted", -40)]
    states = {check.name: (check.state, check.compared) for check in reconciled.checks}
    assert states["events_and_sums"] == ("done", 3)  # by account, day and model
    assert states["ledger_and_itself"][1] == 5
    assert states["ledger_and_stripe"] == ("skipped", 0)
    kept = Reconciliation.objects.get()
    assert kept.is_clean and kept.first_day == (NOW - timedelta(days=34)).date()
    sync_redis().hset("art:reconciled", "told_by_a_later_release", "anything")
    last = last_reconciliation()
    assert last is not None and (last.findings, last.failed_checks) == (0, 0)


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("charges_not_their_events", "DELETE FROM usage_usageevent WHERE request_id = 'old 0'"),
        ("hours_not_their_events", "DELETE FROM usage_usageevent WHERE request_id = 'old 0'"),
        ("days_not_their_events", "DELETE FROM usage_usageevent"),
        ("dearer_than_its_price", "UPDATE usage_usageevent SET cost = 701 WHERE request_id = 'old 1'"),
        ("dearer_than_its_price", "UPDATE usage_usageevent SET price_version_id = NULL"),
        ("dearer_than_its_price", "UPDATE catalog_priceversion SET output_price = 900000"),
        ("hours_not_their_events", "UPDATE usage_usageevent SET output_tokens = 9 WHERE request_id = 'old 1'"),
        ("days_not_their_events", "UPDATE usage_usageevent SET model = 'sun' WHERE request_id = 'old 1'"),
        ("days_not_their_events", "UPDATE usage_usageday SET requests = requests + 1"),
        ("hours_not_their_events", "DELETE FROM usage_usagehour"),
        ("charges_not_their_events", "UPDATE usage_usagecharge SET cost = cost + 1, posted = posted + 1"),
        ("charge_not_its_postings", "UPDATE usage_usagecharge SET cost = cost + 1, posted = posted + 1"),
        ("use_not_posted", "UPDATE usage_usagecharge SET posted = 0"),
        ("postings_not_their_charges", "DELETE FROM billing_postedcharge WHERE cost = 1400"),
        ("transaction_unbalanced", "UPDATE billing_ledgerentry SET amount = amount + 1 WHERE amount = 10000"),
        ("balance_not_its_entries", "UPDATE billing_ledgerentry SET amount = amount + 1 WHERE amount = 10000"),
        (  # both sides of it, so that the ledger alone still balances
            "ledger_not_its_charges",
            "UPDATE billing_ledgerentry SET amount = amount * 2 WHERE transaction_id IN "
            "(SELECT id FROM billing_ledgertransaction WHERE kind = 'usage')",
        ),
        ("lot_not_its_grant", "UPDATE billing_creditlot SET amount = 501"),
        (
            "entry_of_a_stranger",
            "UPDATE billing_ledgertransaction SET account_id = "
            "(SELECT id FROM accounts_account WHERE slug = 'charlie') WHERE kind = 'payment'",
        ),
    ],
)
def test_what_was_changed_behind_their_back_is_found(books: ApiKey, what: str, statement: str) -> None:
    harm(statement)
    reconciled = reconcile()
    assert what in names(reconciled)
    assert not reconciled.is_clean
    last = last_reconciliation()
    assert last is not None and last.findings == len(reconciled.findings)


def test_a_difference_has_its_place_and_size(books: ApiKey) -> None:
    harm("DELETE FROM usage_usageevent WHERE request_id = 'old 0'")
    found = {(one.what, one.where): one.difference for one in reconcile().findings}
    assert found["charges_not_their_events", f"northwind {YESTERDAY:%Y-%m-%d} moon default"] == 700


def test_days_that_were_not_asked_for_are_not_compared(books: ApiKey) -> None:
    harm("DELETE FROM usage_usageevent WHERE request_id = 'old 0'")
    today = NOW.date()
    assert not {name for name in names(reconcile(first_day=today)) if name.endswith("their_events")}
    assert "days_not_their_events" in names(reconcile(ever=True))
    for wrong in ({"first_day": today, "last_day": YESTERDAY.date()}, {"ever": True, "first_day": today}):
        with pytest.raises(Invalid):
            services.reconcile(**wrong)


def test_events_on_their_way_and_events_that_cannot_be_recorded(books: ApiKey) -> None:
    sync_redis().xadd("art:usage", {"event": event(books, "waits", cost=5)})
    reconciled = reconcile()
    assert reconciled.is_clean
    assert ("events_waiting", 5) in {(one.what, one.difference) for one in reconciled.explained}
    for text in (event(books, "dead", cost=7), "no event at all"):
        sync_redis().xadd("art:usage:dead", {"event": text})
    [finding] = reconcile().findings
    assert (finding.what, finding.difference) == ("events_that_cannot_be_recorded", 7)


def test_what_costs_less_than_its_tokens_is_told(key: ApiKey, price: PriceVersion) -> None:
    """Half in a batch, rounded up; thoughts at their own price; and no more than was held."""
    use(key, price, "half", 51, at=YESTERDAY, output_tokens=101, service_tier="batch")
    use(key, price, "thoughts", 8, at=YESTERDAY, output_tokens=6, reasoning_tokens=3)  # 3 + 4.5, rounded up
    use(key, price, "free", 0, at=YESTERDAY, price_version=None)
    services.post_usage()
    assert reconcile().is_clean and not reconcile().explained
    use(key, price, "held", 30, at=YESTERDAY, output_tokens=100)
    services.post_usage()
    reconciled = reconcile()
    assert reconciled.is_clean
    [told] = reconciled.explained
    assert (told.what, told.difference) == ("cheaper_than_its_price", -70)
    assert told.why.startswith("1 requests cost less")


def test_the_command_exits_with_an_error(books: ApiKey) -> None:
    out = StringIO()
    call_command("reconcile", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert told["clean"] and not told["findings"] and len(told["explained"]) == 1
    harm("DELETE FROM usage_usageevent WHERE request_id = 'old 0'")
    out = StringIO()
    with pytest.raises(CommandError, match="do not agree"):
        call_command("reconcile", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert not told["clean"]
    assert {finding["what"] for finding in told["findings"]} >= {"charges_not_their_events"}
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("reconcile", stdout=out)
    assert "NOT EXPLAINED: charges_not_their_events: northwind" in out.getvalue()
