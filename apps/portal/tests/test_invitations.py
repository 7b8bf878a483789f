"""The pages of an invitation, from the mail to the account."""

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client, override_settings

from apps.accounts.models import Membership, User
from apps.accounts.tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[User], Client]


def invite(client: Client, email: str = "dora@example.com") -> str:
    client.post("/a/northwind/members/invite/", {"email": email, "role": "viewer"})
    found = re.search(r"http://[^/]+(/invitations/[\w-]+/)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def test_somebody_new_signs_up_and_joins(cast: Cast, signed_in: SignIn, client: Client) -> None:
    path = invite(signed_in(cast.alice))
    assert f"/accounts/signup/?next={path}".encode() in client.get(path).content
    answer = client.post(
        "/accounts/signup/",
        {"email": "dora@example.com", "password1": "correct horse battery", "next": path},
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == path and b"Accept" in answer.content
    assert client.post(path).headers["Location"] == "/a/northwind/"
    assert Membership.objects.get(user__email="dora@example.com").role == "viewer"


def test_the_wrong_person_is_told_so(cast: Cast, signed_in: SignIn) -> None:
    path = invite(signed_in(cast.alice))
    charlie = signed_in(cast.charlie)
    assert b"This invitation is for another address" in charlie.get(path).content
    assert charlie.post(path).status_code == 403
    assert charlie.get("/a/northwind/").status_code == 404


def test_a_used_link_says_so(cast: Cast, signed_in: SignIn) -> None:
    path = invite(signed_in(cast.alice))
    dora = signed_in(User.objects.create_user("dora@example.com", PASSWORD))
    dora.post(path)
    assert dora.post(path).status_code == 410
    assert b"used already" in dora.get(path).content


@override_settings(SIGNUP_OPEN=False)
def test_on_a_closed_platform_an_invitation_lets_its_own_address_in(
    cast: Cast, signed_in: SignIn, client: Client
) -> None:
    client.get(invite(signed_in(cast.alice)))
    form = {"email": "eve@example.com", "password1": "correct horse battery"}
    assert b"by invitation" in client.post("/accounts/signup/", form).content
    assert client.post("/accounts/signup/", form | {"email": "dora@example.com"}).status_code == 302


def test_mails_follow_the_platforms_address_not_a_forged_host(cast: Cast, signed_in: SignIn, client: Client) -> None:
    client.post("/accounts/password/reset/", {"email": "alice@example.com"}, headers={"host": "localhost:1"})
    text = str(mail.outbox[-1].body)
    assert "localhost:1" not in text and "/accounts/password/reset/key/" in text
