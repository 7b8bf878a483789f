"""Budgets as people set them and see them spent, and the webhook that is told of them."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import Account, Project, User
from apps.accounts.tests.cast import Cast
from apps.alerts.models import Webhook, WebhookDelivery
from apps.alerts.services import check_budgets
from apps.alerts.tests.conftest import key_of, spend
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


def test_what_is_spent_stands_beside_each_budget(cast: Cast, signed_in: SignIn) -> None:
    alice, usd = signed_in(cast.alice), 1_000_000_000
    for path in ("settings/budget/", "projects/default/"):
        alice.post(f"/a/northwind/{path}", {"name": "default", "monthly_budget": "10", "budget_is_hard": "warn"})
    spend(key_of(cast.northwind.id, total_budget=4 * usd), 3 * usd)
    spend(key_of(cast.charlies.id, monthly_budget=7 * usd), 7 * usd)
    check_budgets()
    seen = {"settings": ("10.00", 30), "projects": ("10.00", 30), "keys": ("4.00", 75)}
    for path, (budget, percent) in seen.items():
        page = alice.get(f"/a/northwind/{path}/").content.decode()
        assert f"$3.00 of ${budget}" in page and f'max="100" value="{percent}"' in page, path
        assert "7.00" not in page, path
    assert "50 %" in alice.get("/a/northwind/settings/").content.decode()


def test_the_secret_of_a_webhook_is_shown_once(cast: Cast, signed_in: SignIn) -> None:
    alice, page = signed_in(cast.alice), "/a/northwind/settings/"
    first = alice.post(f"{page}webhook/", {"url": "https://example.com/hook"}).content.decode()
    renewed = alice.post(f"{page}webhook/secret/").content.decode()
    assert "whsec_" in first and "whsec_" in renewed
    assert alice.post(f"{page}webhook/", {"url": "https://example.com/other"}).status_code == 302
    shown = alice.get(page).content.decode()
    assert "whsec_" not in shown and "https://example.com/other" in shown
    assert Webhook.objects.get().account_id == cast.northwind.id
    for role in ("viewer", "developer"):
        assert b"example.com/other" not in signed_in(cast.join(role)).get(page).content


def test_an_address_that_cannot_be_is_refused_beside_its_field(cast: Cast, signed_in: SignIn) -> None:
    alice = signed_in(cast.alice)
    for url in ("ftp://example.com/", "https://user@example.com/", ""):
        answer = alice.post("/a/northwind/settings/webhook/", {"url": url})
        assert answer.status_code == 200 and b'id="id_url_error"' in answer.content, url
    assert not Webhook.objects.exists()


def test_a_test_waits_for_the_worker_and_a_second_one_is_refused(cast: Cast, signed_in: SignIn) -> None:
    alice, page = signed_in(cast.alice), "/a/northwind/settings/webhook/"
    assert alice.post(f"{page}test/").status_code == 404
    alice.post(page, {"url": "https://example.com/hook"})
    assert b"on its way" in alice.post(f"{page}test/", follow=True).content
    assert b"under way" in alice.post(f"{page}test/", follow=True).content
    assert WebhookDelivery.objects.count() == 1
    alice.post(f"{page}remove/")
    assert not WebhookDelivery.objects.exists()
