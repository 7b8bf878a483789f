"""Roles: who may change whose, and that an owner is always left."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.accounts import services
from apps.accounts.models import Membership
from apps.accounts.tests.cast import Cast
from apps.common.errors import Forbidden, Invalid, NotFound


def test_the_last_owner_can_neither_leave_nor_step_down(cast: Cast) -> None:
    account, alice = cast.northwind.id, cast.alice.pk
    with pytest.raises(Invalid):
        services.remove_member(account_id=account, user_id=alice, by_id=alice)
    with pytest.raises(Invalid):
        services.change_role(account_id=account, user_id=alice, role="admin", by_id=alice)
    services.change_role(account_id=account, user_id=cast.bob.pk, role="owner", by_id=alice)
    services.remove_member(account_id=account, user_id=alice, by_id=alice)
    assert Membership.objects.get(account_id=account).user == cast.bob


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays(cast: Cast) -> None:
    account = cast.northwind.id
    services.change_role(account_id=account, user_id=cast.bob.pk, role="owner", by_id=cast.alice.pk)

    def leave(user_id: int) -> str:
        try:
            services.remove_member(account_id=account, user_id=user_id, by_id=user_id)
        except Invalid:
            return "stayed"
        finally:
            connection.close()
        return "left"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, (cast.alice.pk, cast.bob.pk))) == ["left", "stayed"]


def test_an_admin_does_not_touch_ownership(cast: Cast) -> None:
    account, admin = cast.northwind.id, cast.join("admin").pk
    for user_id, role in ((cast.bob.pk, "owner"), (cast.alice.pk, "viewer"), (admin, "owner")):
        with pytest.raises(Forbidden):
            services.change_role(account_id=account, user_id=user_id, role=role, by_id=admin)
    with pytest.raises(Forbidden):
        services.remove_member(account_id=account, user_id=cast.alice.pk, by_id=admin)
    services.change_role(account_id=account, user_id=cast.bob.pk, role="billing", by_id=admin)


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_the_other_roles_change_nobody(cast: Cast, role: str) -> None:
    account, user = cast.northwind.id, cast.join(role)
    with pytest.raises(Forbidden):
        services.change_role(account_id=account, user_id=cast.bob.pk, role="viewer", by_id=user.pk)
    with pytest.raises(Forbidden):
        services.remove_member(account_id=account, user_id=cast.bob.pk, by_id=user.pk)
    services.remove_member(account_id=account, user_id=user.pk, by_id=user.pk)


def test_members_of_other_accounts_are_not_found(cast: Cast) -> None:
    with pytest.raises(NotFound):
        services.change_role(account_id=cast.charlies.id, user_id=cast.bob.pk, role="viewer", by_id=cast.charlie.pk)


def test_a_role_that_does_not_exist_is_refused(cast: Cast) -> None:
    with pytest.raises(Invalid):
        services.change_role(account_id=cast.northwind.id, user_id=cast.bob.pk, role="root", by_id=cast.alice.pk)
