"""Who may do what: sessions and CSRF, roles, other people's accounts, too many writes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.contracts import PERMISSIONS, Permission
from apps.accounts.tests.cast import Cast
from apps.api.management import base
from apps.api.tests.management.conftest import BACKEND, Caller, error_of
from apps.keys.contracts import IssuedKey

READS = ["", "projects", "projects/default", "keys", "keys/KEY", "models", "usage", "usage/series", "usage/requests"]
WRITES: list[tuple[str, str, Any, Permission]] = [
    ("POST", "projects", {"name": "Game"}, Permission.PROJECTS),
    ("PATCH", "projects/default", {"name": "Chat"}, Permission.PROJECTS),
    ("POST", "projects/default/archive", None, Permission.PROJECTS),
    ("POST", "projects/default/restore", None, Permission.PROJECTS),
    ("POST", "keys", {"name": "New"}, Permission.KEYS),
    ("PATCH", "keys/KEY", {"name": "Renamed"}, Permission.KEYS),
    ("POST", "keys/KEY/disable", None, Permission.KEYS),
    ("POST", "keys/KEY/enable", None, Permission.KEYS),
    ("POST", "keys/KEY/rotate", {}, Permission.KEYS),
    ("POST", "keys/KEY/revoke", None, Permission.KEYS),
]


@pytest.mark.parametrize("role", PERMISSIONS)
def test_each_role_may_what_it_may(as_role: Callable[[str], Caller], issued: IssuedKey, role: str) -> None:
    call = as_role(role)
    for path in READS:
        assert call("GET", path.replace("KEY", issued.public_id)).status_code == 200, path
    for method, path, body, permission in WRITES:
        answer = call(method, path.replace("KEY", issued.public_id), body)
        if permission not in PERMISSIONS[role]:
            assert error_of(answer, 403)["code"] == "permission_denied", path
        elif path == "projects/default/archive":
            assert answer.status_code in (200, 400)  # the last project stays
        else:
            assert answer.status_code in (200, 201), (path, answer.content)


def test_nobody_else_sees_anything(charlie: Caller, issued: IssuedKey) -> None:
    for path in READS:
        assert error_of(charlie("GET", path.replace("KEY", issued.public_id)), 404)["code"] == "not_found"
    for method, path, body, _ in WRITES:
        error_of(charlie(method, path.replace("KEY", issued.public_id), body), 404)


def test_what_is_anothers_is_not_found_under_ones_own_account(charlie: Caller, cast: Cast, issued: IssuedKey) -> None:
    own = f"/accounts/{cast.charlies.slug}"
    assert charlie("GET", own).status_code == 200
    for method, path in (("GET", ""), ("POST", "/disable"), ("POST", "/enable"), ("POST", "/revoke")):
        error_of(charlie(method, f"{own}/keys/{issued.public_id}{path}"), 404)
    error_of(charlie("POST", f"{own}/keys/{issued.public_id}/rotate", {}), 404)
    error_of(charlie("PATCH", f"{own}/keys/{issued.public_id}", {"name": "Mine"}), 404)
    for usage in ("usage", "usage/series", "usage/requests"):
        error_of(charlie("GET", f"{own}/{usage}", key=issued.public_id), 404)
        error_of(charlie("GET", f"{own}/{usage}", project="northwinds"), 404)


@pytest.mark.django_db
def test_strangers_are_told_to_sign_in() -> None:
    client = Client()
    for path in ("/accounts", "/accounts/northwind", "/accounts/northwind/keys"):
        answer = client.get(f"/api/v1{path}")
        assert error_of(answer, 401)["code"] == "not_authenticated"
        assert answer.headers["WWW-Authenticate"].startswith("Session")


def test_an_api_key_manages_nothing(cast: Cast, issued: IssuedKey) -> None:
    answer = Client().get("/api/v1/accounts", headers={"Authorization": f"Bearer {issued.secret}"})
    error_of(answer, 401)


def test_writing_needs_the_csrf_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice, backend=BACKEND)
    path = "/api/v1/accounts/northwind/projects"
    error = error_of(client.post(path, {"name": "Game"}, content_type="application/json"), 403)
    assert "CSRF" in error["message"]
    client.get("/accounts/password/change/")
    token = client.get("/api/v1/docs").content.decode().split('data-csrf="')[1].split('"')[0]
    headers = {"X-CSRFToken": token}
    assert client.post(path, {"name": "Game"}, content_type="application/json", headers=headers).status_code == 201


@pytest.mark.usefixtures("one_minute")
def test_too_many_writes_wait(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WRITES_A_MINUTE", "3/m")
    answers = [alice("POST", "projects", {"name": f"P{number}"}) for number in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [201] * 3
    assert error_of(answers[-1], 429)["code"] == "rate_limit_exceeded"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert alice("GET", "projects").status_code == 200
