"""The cast of the tests: Alice owns Northwind, Bob develops there, Charlie owns an account of his own."""

from dataclasses import dataclass

import pytest

from apps.accounts import services
from apps.accounts.contracts import AccountRow
from apps.accounts.models import Membership, User

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    alice: User
    bob: User
    charlie: User
    northwind: AccountRow
    charlies: AccountRow

    def join(self, role: str) -> User:
        """Somebody new in Northwind, with a role."""
        user = User.objects.create_user(f"{role}@example.com", PASSWORD)
        Membership.objects.create(account_id=self.northwind.id, user=user, role=role)
        return user


@pytest.fixture
def cast(db: None) -> Cast:
    alice, bob, charlie = (
        User.objects.create_user(f"{name}@example.com", PASSWORD) for name in ("alice", "bob", "charlie")
    )
    northwind = services.create_account(name="Northwind", owner_id=alice.pk)
    Membership.objects.create(account_id=northwind.id, user=bob, role="developer")
    charlies = services.create_account(name="Charlie", owner_id=charlie.pk)
    return Cast(alice=alice, bob=bob, charlie=charlie, northwind=northwind, charlies=charlies)
