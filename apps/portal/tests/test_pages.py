"""Pages as a browser gets them: policy, errors, no inline code, documentation."""

import re
from collections.abc import Callable

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.portal.views.docs import PAGES

PUBLIC = [
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/nowhere",
    "/invitations/x/",
]
PUBLIC += [reverse("portal:docs_page", args=[slug]) for slug in PAGES]
MINE = ["/profile/", "/new-account/", "/accounts/2fa/", "/accounts/email/", "/accounts/password/change/"]
MINE += [
    "/accounts/logout/",
    *(f"/a/northwind/{page}" for page in ("", "keys/", "keys/new/", "usage/", "members/")),
]
MINE += [f"/a/northwind/{page}/" for page in ("models", "projects", "settings", "knowledge", "knowledge/new")]
INLINE = re.compile(
    r"\sstyle=|<style|\son\w+=|hx-on|javascript:|<script(?![^>]*(src=|application/json))", re.IGNORECASE
)


def check(client: Client, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert not INLINE.search(answer.content.decode()), path


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_keep_the_strict_policy(db: None, client: Client, path: str) -> None:
    check(client, path)


@pytest.mark.parametrize("path", MINE)
def test_private_pages_keep_it_and_are_not_stored(cast: Cast, signed_in: Callable[[User], Client], path: str) -> None:
    client = signed_in(cast.alice)
    check(client, path)
    assert "no-store" in client.get(path).headers["Cache-Control"]


def test_names_cannot_bring_code(cast: Cast, signed_in: Callable[[User], Client]) -> None:
    client, code = signed_in(cast.alice), "<script>alert(1)</script>"
    client.post("/a/northwind/settings/name/", {"name": code})
    client.post("/a/northwind/projects/", {"name": code})
    client.post("/a/northwind/keys/new/", {"name": code, "project": "default"})
    for page in ("", "keys/", "projects/", "settings/", "usage/"):
        assert code not in client.get(f"/a/northwind/{page}").content.decode()


@override_settings(SIGNUP_OPEN=False)
def test_sign_up_can_be_closed(db: None, client: Client) -> None:
    assert b"By invitation" in client.get("/accounts/signup/").content
    client.post("/accounts/signup/", {"email": "eve@example.com", "password1": "correct horse battery"})
    assert not User.objects.exists()


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(cast: Cast, client: Client, target: str) -> None:
    answer = client.post(
        f"/accounts/login/?next={target}",
        {"login": "alice@example.com", "password": "correct horse battery staple", "next": target},
    )
    assert answer.headers["Location"] == "/dashboard/"
