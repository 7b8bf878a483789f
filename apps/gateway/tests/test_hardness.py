"""A budget that only warns is no limit at admission; one that is hard is."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from apps.common.limits import RateLimits
from apps.gateway.limits import admission_of
from apps.keys.contracts import KeyFacts, KeyPolicy

FACTS = KeyFacts(
    secret_hash="",
    key_id=1,
    public_id="key_1",
    version=1,
    account_id=3,
    account_version=1,
    project_id=2,
    policy=KeyPolicy(monthly_budget=10, total_budget=100),
    account_budget=30,
    project_budget=20,
    account_total_budget=300,
    project_total_budget=200,
    secret_expires_at=None,
    disabled=False,
    revoked=False,
    account_suspended=False,
)
SOFT_KEY = replace(FACTS, policy=replace(FACTS.policy, budget_is_hard=False))


def limits_of(facts: KeyFacts) -> dict[str, int]:
    call: Any = SimpleNamespace(key=facts, end_user="", model=SimpleNamespace(limits=RateLimits(), public_name="moon"))
    rows = admission_of(call, "202611").budgets
    assert [row[:2] for row in rows[:3]] == [(scope, "202611") for scope in ("key:1", "project:2", "account:3")]
    return {f"{scope} {period}": budget for scope, period, budget in rows if budget is not None}


HARD = {
    "key:1 202611": 10,
    "project:2 202611": 20,
    "account:3 202611": 30,
    "key:1 total": 100,
    "project:2 total": 200,
    "account:3 total": 300,
}


@pytest.mark.parametrize(
    ("facts", "soft"),
    [
        (FACTS, ""),
        (SOFT_KEY, "key"),
        (replace(FACTS, project_budget_is_hard=False), "project"),
        (replace(FACTS, account_budget_is_hard=False), "account"),
    ],
)
def test_only_hard_budgets_are_limits(facts: KeyFacts, soft: str) -> None:
    left = {name: budget for name, budget in HARD.items() if not soft or not name.startswith(soft)}
    assert limits_of(facts) == left
