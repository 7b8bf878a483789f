"""Nothing that a caller can send is a 500, and each refusal says what is wrong."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.tests.cast import Cast
from apps.api.tests.management.conftest import BACKEND, Caller, error_of
from apps.keys.contracts import IssuedKey

HUGE = 10**30
WRONG_KEYS: list[tuple[Any, str | None, str]] = [
    ({}, "name", "missing_required_parameter"),
    ({"name": ""}, "name", "invalid_value"),
    ({"name": "a\x00b"}, None, "invalid_json"),
    ({"name": "a" * 121}, "name", "invalid_value"),
    ({"name": "a\u202eb"}, "name", "invalid_value"),
    ({"name": {}}, "name", "invalid_value"),
    ({"name": "a", "nonsense": 1}, "nonsense", "unknown_parameter"),
    ({"name": "a", "project": "none"}, "project", "not_found"),
    ({"name": "a", "project": "../x"}, "project", "invalid_value"),
    ({"name": "a", "allowed_models": "moon"}, "allowed_models", "invalid_value"),
    ({"name": "a", "allowed_models": [1, {}]}, "allowed_models.1", "invalid_value"),
    ({"name": "a", "allowed_models": ["x"] * 201}, "allowed_models", "invalid_value"),
    ({"name": "a", "allowed_endpoints": ["moon"]}, "allowed_endpoints.0", "invalid_value"),
    ({"name": "a", "ip_allow_list": ["the moon"]}, "ip_allow_list", "invalid_value"),
    ({"name": "a", "requests_per_minute": 0}, "requests_per_minute", "invalid_value"),
    ({"name": "a", "requests_per_minute": -1}, "requests_per_minute", "invalid_value"),
    ({"name": "a", "tokens_per_minute": HUGE}, "tokens_per_minute", "invalid_value"),
    ({"name": "a", "parallel_requests": 1.5}, "parallel_requests", "invalid_value"),
    ({"name": "a", "monthly_budget_nano_usd": HUGE}, "monthly_budget_nano_usd", "invalid_value"),
    ({"name": "a", "monthly_budget_nano_usd": True}, "monthly_budget_nano_usd", "invalid_value"),
    ({"name": "a", "expires_at": "soon"}, "expires_at", "invalid_value"),
    ({"name": "a", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at", "invalid_value"),
    ({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "invalid_value"),
]


@pytest.mark.parametrize(("body", "param", "code"), WRONG_KEYS)
def test_wrong_keys(alice: Caller, body: Any, param: str | None, code: str) -> None:
    answer = alice("POST", "keys", body)
    error = error_of(answer, 404 if code == "not_found" else 400)
    assert (error["param"], error["code"]) == (param, code), error


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[1]", 400),
        (b'"moon"', 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b'{"name": ' + b"[" * 100_000, 400),
        (b'{"name": "' + b"a" * 11_000_000 + b'"}', 413),
    ],
)
def test_bodies_that_are_no_object(cast: Cast, body: bytes, status: int) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(cast.alice, backend=BACKEND)
    for path in ("keys", "projects"):
        error_of(client.post(f"/api/v1/accounts/northwind/{path}", body, content_type="application/json"), status)


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data", "nonsense", ""])
def test_other_content_types(cast: Cast, content_type: str) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=False)
    client.force_login(cast.alice, backend=BACKEND)
    answer = client.post("/api/v1/accounts/northwind/keys", b"name=a", content_type=content_type)
    assert answer.status_code in (400, 415), answer.content
    error_of(answer, answer.status_code)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("usage", {"since": "yesterday"}),
        ("usage", {"since": "2026-99-99"}),
        ("usage", {"nonsense": "1"}),
        ("usage", {"model": "a\x00b"}),
        ("usage", {"key": "a/b"}),
        ("usage/series", {"interval": "minute"}),
        ("usage/series", {"group_by": "user"}),
        ("usage/series", {"since": "2001-01-01T00:00:00Z"}),
        ("usage/series", {"since": "0001-01-01T00:00:00Z", "interval": "hour"}),
        ("usage/requests", {"limit": "0"}),
        ("usage/requests", {"limit": "201"}),
        ("usage/requests", {"limit": "many"}),
        ("usage/requests", {"cursor": "x"}),
        ("usage/requests", {"cursor": "W10"}),
        ("usage/requests", {"cursor": "bnVsbA"}),
        ("usage/requests", {"cursor": "ü"}),
        ("projects", {"archived": "perhaps"}),
        ("keys", {"project": "a b"}),
    ],
)
def test_wrong_queries(alice: Caller, path: str, query: dict[str, str]) -> None:
    assert error_of(alice("GET", path, **query), 400)["param"] in query


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time(alice: Caller, since: str) -> None:
    assert alice("GET", "usage", since=since).status_code == 200


def test_wrong_methods_and_paths(alice: Caller, issued: IssuedKey) -> None:
    assert error_of(alice("DELETE", f"keys/{issued.public_id}"), 405)["code"] == "method_not_allowed"
    assert error_of(alice("PUT", "projects", {"name": "x"}), 405)
    for path in ("/", "/nonsense", "/accounts/northwind/nonsense", "/accounts/a b", "//", "/accounts//keys"):
        assert error_of(alice("GET", path), 404)["code"] == "not_found"


def test_rotation_and_changes(alice: Caller, issued: IssuedKey) -> None:
    path = f"keys/{issued.public_id}"
    for grace in (-1, HUGE, "soon", None):
        assert error_of(alice("POST", f"{path}/rotate", {"grace_seconds": grace}), 400)["param"] == "grace_seconds"
    assert error_of(alice("PATCH", path, {"project": "default"}), 400)["code"] == "unknown_parameter"
    assert alice("PATCH", path, {}).status_code == 200
    assert error_of(alice("PATCH", path, {"name": None}), 400)["param"] == "name"
