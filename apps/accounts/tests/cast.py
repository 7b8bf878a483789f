"""The cast of the tests: Alice owns Northwind, Bob develops there, Charlie owns an account of his own."""

from dataclasses import dataclass
from functools import cache

import pytest
from django.contrib.auth.hashers import make_password

from apps.accounts import services
from apps.accounts.contracts import AccountRow
from apps.accounts.models import Membership, User

PASSWORD = "correct horse battery staple"


hashed = cache(make_password)  # hashing is slow on purpose; once is enough for all tests


def person(name: str) -> User:
    return User.objects.create(email=f"{name}@example.com", password=hashed(PASSWORD))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    alice: User
    bob: User
    charlie: User
    northwind: AccountRow
    charlies: AccountRow

    def join(self, role: str) -> User:
        """Somebody new in Northwind, with a role."""
        user = person(role)
        Membership.objects.create(account_id=self.northwind.id, user=user, role=role)
        return user


@pytest.fixture
def cast(db: None) -> Cast:
    alice, bob, charlie = person("alice"), person("bob"), person("charlie")
    northwind = services.create_account(name="Northwind", owner_id=alice.pk)
    Membership.objects.create(account_id=northwind.id, user=bob, role="developer")
    charlies = services.create_account(name="Charlie", owner_id=charlie.pk)
    return Cast(alice=alice, bob=bob, charlie=charlie, northwind=northwind, charlies=charlies)
