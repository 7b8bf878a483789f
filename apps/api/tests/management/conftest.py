"""Callers of the management API: one signed-in client for each of the cast, and one for each role in Northwind."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast, cast
from apps.common.redis import sync_redis
from apps.common.tests.minutes import one_minute
from apps.keys import services as keys
from apps.keys.contracts import IssuedKey, KeyPolicy

__all__ = ["cast", "one_minute"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Caller = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fresh_redis() -> None:
    sync_redis().flushdb()


def caller_of(user: User) -> Caller:
    """`call("POST", "projects", {…})`: an answer, with the path below Northwind's unless it begins with a slash."""
    client = Client(raise_request_exception=False)
    client.force_login(user, backend=BACKEND)

    def call(method: str, path: str = "", body: Any = None, **query: Any) -> Any:
        full = f"/api/v1{path}" if path.startswith("/") else f"/api/v1/accounts/northwind/{path}".rstrip("/")
        options: dict[str, Any] = {"query_params": query}
        if body is not None:
            options |= {"data": body, "content_type": "application/json"}
        return getattr(client, method.lower())(full, **options)

    return call


@pytest.fixture
def alice(cast: Cast) -> Iterator[Caller]:
    """Northwind's owner."""
    yield caller_of(cast.alice)


@pytest.fixture
def charlie(cast: Cast) -> Caller:
    """Of another account."""
    return caller_of(cast.charlie)


@pytest.fixture
def as_role(cast: Cast) -> Callable[[str], Caller]:
    return lambda role: caller_of(cast.alice if role == "owner" else cast.join(role))


@pytest.fixture
def issued(cast: Cast) -> IssuedKey:
    return keys.create_key(
        account_id=cast.northwind.id, project_slug="default", name="Production", policy=KeyPolicy(rpm_limit=60)
    )


def error_of(answer: Any, status: int) -> dict[str, Any]:
    """The error in the envelope, whose form is checked."""
    assert answer.status_code == status, answer.content
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-Id"]
    return error
