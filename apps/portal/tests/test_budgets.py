"""Budgets as people set them: a month's, all months', hard or only a warning."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import Account, Project, User
from apps.accounts.tests.cast import Cast
from apps.keys.models import ApiKey

SignIn = Callable[[User], Client]
WARN = {"monthly_budget": "5", "total_budget": "7.5", "budget_is_hard": "warn"}
WARNS = (5_000_000_000, 7_500_000_000, False)
FIELDS = ("monthly_budget", "total_budget", "budget_is_hard")


def test_an_account_and_a_project_and_a_key_that_only_warn(cast: Cast, signed_in: SignIn) -> None:
    alice = signed_in(cast.alice)
    alice.post("/a/northwind/settings/budget/", WARN)
    assert Account.objects.values_list(*FIELDS).get(slug="northwind") == WARNS
    alice.post("/a/northwind/projects/", {"name": "Game", **WARN})
    assert Project.objects.values_list(*FIELDS).get(slug="game") == WARNS
    alice.post("/a/northwind/keys/new/", {"name": "Soft", "project": "game", **WARN})
    key = ApiKey.objects.get(name="Soft")
    assert tuple(getattr(key, name) for name in FIELDS) == WARNS
    for path in ("settings/", "projects/game/", f"keys/{key.public_id}/"):
        page = alice.get(f"/a/northwind/{path}").content.decode()
        assert 'value="warn"' in page and page.split('value="warn"')[1].split(">")[0].count("checked") == 1, path


@pytest.mark.parametrize("said", ["stop", ""])
def test_what_is_not_said_to_warn_stops(cast: Cast, signed_in: SignIn, said: str) -> None:
    alice = signed_in(cast.alice)
    alice.post("/a/northwind/settings/budget/", WARN)
    alice.post("/a/northwind/settings/budget/", {"monthly_budget": "5", "budget_is_hard": said})
    account = Account.objects.get(slug="northwind")
    assert (account.budget_is_hard, account.total_budget) == (True, None)
    refused = alice.post("/a/northwind/settings/budget/", {"budget_is_hard": "perhaps"})
    assert refused.status_code == 200 and b"Select a valid choice" in refused.content
