"""That a budget refuses calls is told once a period, by mail and webhook, besides what is told of its thresholds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core import mail

from apps.accounts.selectors import credit_that_stops, letters_of_account
from apps.accounts.services import set_account_limits
from apps.accounts.tests.cast import Cast
from apps.alerts.contracts import REFUSALS, TOTAL
from apps.alerts.models import BudgetAlert
from apps.alerts.selectors import alerts_of_account, deliveries_of_account
from apps.alerts.services import check_budgets, check_refusals, deliver_waiting, mail_waiting, set_webhook
from apps.alerts.tests.conftest import Receiver, key_of, spend
from apps.billing.services import record_payment, set_credit_limit
from apps.common.redis import sync_redis


@pytest.fixture(autouse=True)
def _no_refusals() -> Iterator[None]:
    sync_redis().delete(REFUSALS)
    yield
    sync_redis().delete(REFUSALS)


def refuse(scope: str, identifier: int, total: int, period: str = "") -> None:
    """As admit.lua does."""
    sync_redis().sadd(REFUSALS, f"{scope}:{identifier} {period or format(datetime.now(UTC), '%Y%m')} {total}")


def refuse_by_credit(account_id: int) -> None:
    credit = credit_that_stops(account_id=account_id)
    assert credit is not None
    refuse("account", account_id, credit, TOTAL)


def test_it_is_told_once_a_period_before_and_after_the_thresholds(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    key = key_of(cast.northwind.id, monthly_budget=1000)
    spend(key, 300)
    for made in (1, 0, 0):
        refuse("key", key.pk, 1000)
        assert check_refusals() == made
    assert sync_redis().smembers(REFUSALS) == set()
    spend(key, 700)
    assert (check_budgets(), check_budgets()) == (1, 0)  # that it is spent is told all the same

    assert deliver_waiting() == 2
    first, second = sorted((json.loads(body) for _, body in receiver.got), key=lambda told: str(told["type"]))
    assert (first["type"], second["type"]) == ("budget.calls_refused", "budget.threshold_reached")
    assert "threshold_percent" not in first["data"] and second["data"]["threshold_percent"] == 100
    assert (first["data"]["spent_nano_usd"], first["data"]["id"]) == (300, key.public_id)
    assert mail_waiting() == 2
    [refused] = {message.subject: message for message in mail.outbox if "Calls are refused" in message.subject}.values()
    assert "Raise the budget, or lower max_tokens" in refused.body and "&" not in refused.body
    assert [row.refused for row in alerts_of_account(account_id=cast.northwind.id)] == [False, True]
    assert "calls refused" in deliveries_of_account(account_id=cast.northwind.id)[1].about


def test_only_of_budgets_that_stand_and_stop_calls(cast: Cast) -> None:
    soft = key_of(cast.northwind.id, monthly_budget=1000, budget_is_hard=False)
    total = key_of(cast.northwind.id, total_budget=1000)
    without = key_of(cast.charlies.id)
    for key in (soft, total, without):
        refuse("key", key.pk, 1000)
    refuse("key", total.pk, 1000, TOTAL)
    refuse("key", total.pk, 1000, "202001")
    assert check_refusals() == 1
    alert = BudgetAlert.objects.get()
    assert (alert.scope_id, alert.period, alert.refused) == (total.pk, "total", True)


def test_what_was_raised_since_is_not_told(cast: Cast) -> None:
    """Nor what was refused by a gateway that did not say its sum yet, as those did that came before."""
    key, account_id = key_of(cast.northwind.id, monthly_budget=2000), cast.northwind.id
    refuse("key", key.pk, 1000)
    sync_redis().sadd(REFUSALS, f"key:{key.pk} {format(datetime.now(UTC), '%Y%m')}")
    set_credit_limit(account_id=account_id, limit=0)
    refuse_by_credit(account_id)
    record_payment(account_id=account_id, amount=1000, key="paid", reason="Paid")
    assert check_refusals() == 0
    assert sync_redis().smembers(REFUSALS) == set()
    assert letters_of_account(account_id=account_id) == []


def test_credit_that_ends_is_told_once_until_it_changes(cast: Cast, receiver: Receiver) -> None:
    account_id = cast.northwind.id
    set_webhook(account_id=account_id, url=receiver.url)
    refuse("account", account_id, 1000, TOTAL)
    assert check_refusals() == 0, "nothing limits it"
    set_credit_limit(account_id=account_id, limit=0)
    for made in (1, 0):
        refuse_by_credit(account_id)
        assert check_refusals() == made
    record_payment(account_id=account_id, amount=1000, key="paid", reason="Paid")
    refuse_by_credit(account_id)
    assert check_refusals() == 1
    set_account_limits(account_id=account_id, values={"total_budget": 10})
    record_payment(account_id=account_id, amount=1000, key="paid again", reason="Paid")
    refuse("account", account_id, 10, TOTAL)
    assert check_refusals() == 1, "of the budget, which stops calls before the credit does"

    assert deliver_waiting() == 3
    kinds = sorted(str(json.loads(body)["type"]) for _, body in receiver.got)
    assert kinds == ["budget.calls_refused", "credit.calls_refused", "credit.calls_refused"]
    assert [letter.subject[:27] for letter in letters_of_account(account_id=account_id)] == [
        "Calls are refused: the cred"
    ] * 2
    assert letters_of_account(account_id=cast.charlies.id) == []
