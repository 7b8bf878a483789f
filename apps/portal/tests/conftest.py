from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast, cast
from apps.common.tests.minutes import one_minute
from apps.keys.contracts import KeyFacts
from apps.knowledge.tests.world import make_key

__all__ = ["cast", "one_minute"]


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of


@pytest.fixture
def alice(cast: Cast, signed_in: Callable[[User], Client]) -> Client:
    return signed_in(cast.alice)


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    """Of Northwind's."""
    return make_key(cast.northwind.id)
