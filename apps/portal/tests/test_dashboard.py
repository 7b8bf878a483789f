"""From sign-up to the first key, and use that appears by itself."""

from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from apps.accounts.models import Account, User
from apps.accounts.tests.cast import PASSWORD, Cast
from apps.keys.models import ApiKey, KeySecret
from apps.usage.models import Outcome, UsageEvent

SignIn = Callable[[User], Client]


def use(key: ApiKey, *, model: str = "tiny", minutes_ago: int = 0, number: int = 1) -> None:
    UsageEvent.objects.create(
        request_id=f"req-{key.pk}-{number}",
        account=key.account,
        project=key.project,
        api_key=key,
        model=model,
        endpoint="chat.completions",
        outcome=Outcome.COMPLETED,
        input_tokens=12,
        output_tokens=5,
        cost=37_500,
        started_at=timezone.now() - timedelta(minutes=minutes_ago),
    )


def test_signing_up_leads_to_a_dashboard_of_ones_own(db: None, client: Client) -> None:
    answer = client.post(
        "/accounts/signup/", {"email": "dora@example.com", "password1": "correct horse battery"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/a/dora/"
    assert b"Make your first key" in answer.content
    assert Account.objects.get().projects.get().slug == "default"


def test_an_administrator_from_the_command_line_gets_an_account_too(db: None, signed_in: SignIn) -> None:
    client = signed_in(User.objects.create_superuser("root@example.com", PASSWORD))
    assert client.get("/dashboard/").headers["Location"] == "/a/root/"
    assert client.get("/dashboard/").headers["Location"] == "/a/root/"
    assert Account.objects.count() == 1


def test_the_first_key_is_shown_once_with_snippets_that_work(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.alice)
    page = client.post("/a/northwind/first-key/", headers={"HX-Request": "true"}).content.decode()
    secret = page.split('id="issued-secret"')[1].split(">")[1].split("<")[0]
    assert secret.startswith("sk-art-") and page.count(secret) == 4
    assert "/v1/chat/completions" in page and "<html" not in page
    assert KeySecret.objects.get().secret_hash not in page
    assert secret not in client.get("/a/northwind/").content.decode()


def test_use_appears_once_and_then_nothing_is_sent_while_nothing_changes(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.alice)
    client.post("/a/northwind/first-key/")
    assert client.get("/a/northwind/today/?seen=none").status_code == 204
    use(ApiKey.objects.get())
    answer = client.get("/a/northwind/today/?seen=none")
    assert b"Your first call has arrived" in answer.content
    assert b"$0.0000375" in answer.content
    assert client.get(f"/a/northwind/today/?seen={answer.context['fingerprint']}").status_code == 204


def test_the_use_of_another_account_does_not_appear(cast: Cast, signed_in: SignIn) -> None:
    signed_in(cast.alice).post("/a/northwind/first-key/")
    use(ApiKey.objects.get())
    assert signed_in(cast.charlie).get("/a/charlie/today/?seen=none").status_code == 204


def test_a_person_of_several_accounts_comes_back_to_the_last_one(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.alice)
    client.post("/new-account/", {"name": "Second"})
    client.get("/a/second/")
    assert client.get("/dashboard/").headers["Location"] == "/a/second/"
    client.post(f"/a/second/members/{cast.alice.pk}/remove/")
    assert client.get("/a/second/").status_code == 200


def test_a_page_whose_session_ended_reloads_itself(cast: Cast, client: Client) -> None:
    answer = client.get("/a/northwind/today/?seen=none", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (401, "true")
