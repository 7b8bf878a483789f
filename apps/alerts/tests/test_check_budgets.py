"""Each threshold of each budget is told once a period, to the right account."""

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.services import set_account_limits, set_project_limits, suspend_account
from apps.accounts.tests.cast import Cast
from apps.alerts.models import BudgetAlert
from apps.alerts.selectors import alerts_of_account, budgets_by_reference, budgets_of_account
from apps.alerts.services import check_budgets
from apps.alerts.tests.conftest import key_of, spend
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import revoke_key, update_key


def told() -> list[tuple[str, str, int]]:
    periods = BudgetAlert.objects.order_by("pk").values_list("scope", "period", "threshold")
    return [(scope, "total" if period == "total" else "month", threshold) for scope, period, threshold in periods]


def set_budget(key: ApiKey, monthly_budget: int) -> None:
    policy = KeyPolicy(monthly_budget=monthly_budget)
    update_key(account_id=key.account_id, public_id=key.public_id, name="Chat", policy=policy)


def test_each_threshold_is_told_once(cast: Cast) -> None:
    key = key_of(cast.northwind.id, monthly_budget=1000)
    for cost, made in ((499, 0), (1, 1), (0, 0), (299, 0), (1, 1), (199, 0), (1, 1), (5000, 0)):
        spend(key, cost)
        assert check_budgets() == made, cost
    assert told() == [("key", "month", 50), ("key", "month", 80), ("key", "month", 100)]


def test_what_is_used_up_at_once_is_told_once(cast: Cast) -> None:
    spend(key_of(cast.northwind.id, monthly_budget=1000), 2000)
    assert (check_budgets(), check_budgets()) == (1, 0)
    assert told() == [("key", "month", 100)]


def test_every_scope_and_both_periods(cast: Cast) -> None:
    key = key_of(cast.northwind.id, monthly_budget=1000, total_budget=1200)
    set_project_limits(account_id=cast.northwind.id, slug="default", values={"monthly_budget": 1000})
    set_account_limits(account_id=cast.northwind.id, values={"total_budget": 2000, "budget_is_hard": False})
    spend(key, 1000)
    assert check_budgets() == 4
    assert sorted(told()) == [
        ("account", "total", 50),
        ("key", "month", 100),
        ("key", "total", 80),
        ("project", "month", 100),
    ]
    assert BudgetAlert.objects.get(scope="account").is_hard is False


def test_a_raised_budget_does_not_repeat_itself_and_a_lowered_one_tells(cast: Cast) -> None:
    key = key_of(cast.northwind.id, monthly_budget=1000)
    spend(key, 800)
    assert check_budgets() == 1
    set_budget(key, 1600)
    assert check_budgets() == 0
    set_budget(key, 800)
    assert check_budgets() == 1
    assert told() == [("key", "month", 80), ("key", "month", 100)]


def test_nothing_is_told_of_what_is_over_or_was_not_spent(cast: Cast) -> None:
    key_of(cast.northwind.id, monthly_budget=0)
    revoked, suspended = key_of(cast.northwind.id, monthly_budget=10), key_of(cast.charlies.id, monthly_budget=10)
    for key in (revoked, suspended):
        spend(key, 100)
    revoke_key(account_id=cast.northwind.id, public_id=revoked.public_id)
    suspend_account(account_id=cast.charlies.id, reason="Unpaid")
    assert check_budgets() == 0


def test_many_keys_need_as_many_queries_as_one(cast: Cast) -> None:
    for _ in range(20):
        key_of(cast.northwind.id, monthly_budget=1000, total_budget=1000)
    with CaptureQueriesContext(connection) as queries:
        check_budgets()
    assert len(queries) <= 8


def test_each_account_sees_its_own(cast: Cast) -> None:
    mine, theirs = key_of(cast.northwind.id, monthly_budget=10), key_of(cast.charlies.id, monthly_budget=10)
    set_account_limits(account_id=cast.charlies.id, values={"monthly_budget": 100})
    spend(mine, 5)
    spend(theirs, 10)
    check_budgets()
    assert [alert.threshold for alert in alerts_of_account(account_id=cast.northwind.id)] == [50]
    assert budgets_of_account(account_id=cast.northwind.id) == []
    assert [budget.percent for budget in budgets_of_account(account_id=cast.charlies.id)] == [10]
    assert list(budgets_by_reference(account_id=cast.northwind.id, scope="key")) == [mine.public_id]


@pytest.mark.django_db(transaction=True)
def test_two_who_check_at_once_tell_it_once(cast: Cast) -> None:
    keys = [key_of(cast.northwind.id, monthly_budget=10) for _ in range(10)]
    for key in keys:
        spend(key, 10)
    made: list[int] = []
    start = threading.Barrier(4)

    def check() -> None:
        try:
            start.wait(10)
            made.append(check_budgets())
        finally:
            connection.close()

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == BudgetAlert.objects.count() == len(keys)
