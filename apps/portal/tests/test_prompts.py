"""The prompt log on the portal: turned on and off, read at a request by those who may, and by nobody else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Account, User
from apps.accounts.tests.cast import Cast
from apps.keys.models import ApiKey
from apps.portal.tests.test_dashboard import use
from apps.prompts import services
from apps.prompts.models import Prompt
from apps.prompts.tests.conftest import empty_queue
from apps.prompts.tests.test_log import tell

__all__ = ["empty_queue"]
SignIn = Callable[[User], Client]
SETTINGS, LOG = "/a/northwind/settings/", "/a/northwind/settings/prompts/"
QUESTION = "<b>Who</b> drives the moon?"


@pytest.fixture
def request_id(key: Any) -> str:
    row = ApiKey.objects.get(pk=key.key_id)
    use(row)
    return f"req-{row.pk}-1"


@pytest.fixture
def logged(cast: Cast, request_id: str) -> str:
    """The address of its page."""
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.northwind.id, request_id, asked={"messages": [{"role": "user", "content": QUESTION}]})
    services.store_waiting()
    return f"/a/northwind/usage/requests/{request_id}/"


def test_it_is_off_until_it_is_turned_on(cast: Cast, alice: Client) -> None:
    assert "No more prompts are logged" not in alice.get(SETTINGS).content.decode()
    assert Account.objects.get(pk=cast.northwind.id).prompt_log_days is None
    assert "logged from the next call on" in alice.post(LOG, {"days": "7"}, follow=True).content.decode()
    assert Account.objects.get(pk=cast.northwind.id).prompt_log_days == 7
    assert '<option value="7" selected>' in alice.get(SETTINGS).content.decode()
    alice.post(LOG, {"days": ""})
    assert Account.objects.get(pk=cast.northwind.id).prompt_log_days is None


@pytest.mark.parametrize("days", ["0", "-1", "31", "365", "x"])
def test_no_other_time_is_taken(cast: Cast, alice: Client, days: str) -> None:
    assert "Select a valid choice" in alice.post(LOG, {"days": days}).content.decode()
    assert Account.objects.get(pk=cast.northwind.id).prompt_log_days is None


def test_where_the_operator_does_not_allow_it_nobody_can_turn_it_on(cast: Cast, alice: Client, settings: Any) -> None:
    settings.PROMPT_LOG_MAX_DAYS = 0
    assert "does not allow prompts to be logged" in alice.get(SETTINGS).content.decode()
    for days in ("0", "7"):
        alice.post(LOG, {"days": days})
    assert Account.objects.get(pk=cast.northwind.id).prompt_log_days is None


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "billing", "viewer"])
def test_who_may_reads_it_at_the_request(cast: Cast, signed_in: SignIn, logged: str, role: str) -> None:
    client = signed_in(cast.alice if role == "owner" else cast.join(role))
    page = client.get(logged)
    text = page.content.decode()
    reads = role in ("owner", "admin", "developer")
    assert ("&lt;b&gt;Who&lt;/b&gt; drives the moon?" in text) == ("Noted, [email]." in text) == reads
    assert ("Not for your role" in text) != reads
    assert "no-store" in page.headers["Cache-Control"]


def test_the_usage_page_leads_to_it(alice: Client, logged: str) -> None:
    assert f'href="{logged}"' in alice.get("/a/northwind/usage/").content.decode()
    assert f'href="{logged}"' in alice.get("/a/northwind/").content.decode()


def test_why_there_is_none(cast: Cast, alice: Client, request_id: str) -> None:
    path = f"/a/northwind/usage/requests/{request_id}/"
    assert "unless an owner or an admin turns that on" in alice.get(path).content.decode()
    services.log_for(account_id=cast.northwind.id, days=7)
    assert "store: false" in alice.get(path).content.decode()


def test_another_accounts_prompt_is_not_read_under_an_id_of_ones_own(
    cast: Cast, alice: Client, request_id: str
) -> None:
    """Ids are the gateway's; should two accounts ever have the same, each sees its own alone."""
    services.log_for(account_id=cast.charlies.id, days=7)
    services.log_for(account_id=cast.northwind.id, days=7)
    tell(cast.charlies.id, request_id, asked={"messages": [{"role": "user", "content": QUESTION}]})
    services.store_waiting()
    assert Prompt.objects.get().account_id == cast.charlies.id
    assert "drives the moon" not in alice.get(f"/a/northwind/usage/requests/{request_id}/").content.decode()


def test_all_are_deleted_at_once(alice: Client, logged: str) -> None:
    assert "1 kept, the oldest of" in alice.get(SETTINGS).content.decode()
    alice.post(f"{LOG}delete/")
    assert not Prompt.objects.exists()
    assert "drives the moon" not in alice.get(logged).content.decode()
    assert Account.objects.get(slug="northwind").prompt_log_days == 7
