"""Accounts and projects: made, renamed, archived."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.accounts import selectors, services
from apps.accounts.models import Account, Membership, User
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound


def test_a_new_account_has_its_owner_and_a_default_project(cast: Cast) -> None:
    assert [(member.email, member.role) for member in selectors.members_of_account(account_id=cast.charlies.id)] == [
        ("charlie@example.com", "owner")
    ]
    assert [project.slug for project in selectors.projects_of_account(account_id=cast.charlies.id)] == ["default"]


def test_slugs_are_unique_and_never_empty(cast: Cast) -> None:
    again = services.create_account(name="Northwind", owner_id=cast.bob.pk)
    strange = services.create_account(name="月の女神", owner_id=cast.bob.pk)
    assert again.slug.startswith("northwind-") and strange.slug == "account"


@pytest.mark.parametrize("name", ["", "   ", "a" * 121, "a\x00b", "a\u202eb"])
def test_names_that_cannot_be_read_are_refused(cast: Cast, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.rename_account(account_id=cast.northwind.id, name=name)
    assert refused.value.param == "name"


def test_an_account_is_seen_by_its_members_only(cast: Cast) -> None:
    assert selectors.account_of_user(user_id=cast.bob.pk, slug="northwind").role == "developer"
    with pytest.raises(NotFound):
        selectors.account_of_user(user_id=cast.charlie.pk, slug="northwind")


def test_the_last_project_stays(cast: Cast) -> None:
    with pytest.raises(Invalid):
        services.archive_project(account_id=cast.northwind.id, slug="default")
    services.create_project(account_id=cast.northwind.id, name="Star catalogue")
    services.archive_project(account_id=cast.northwind.id, slug="default")
    assert [row.slug for row in selectors.projects_of_account(account_id=cast.northwind.id)] == ["star-catalogue"]
    services.restore_project(account_id=cast.northwind.id, slug="default")
    assert len(selectors.projects_of_account(account_id=cast.northwind.id)) == 2


def test_a_project_of_somebody_else_is_not_found(cast: Cast) -> None:
    services.create_project(account_id=cast.northwind.id, name="Secret")
    with pytest.raises(NotFound):
        services.update_project(account_id=cast.charlies.id, slug="secret", name="Mine", monthly_budget=None)


def test_two_projects_of_one_name_are_refused(cast: Cast) -> None:
    with pytest.raises(Invalid):
        services.create_project(account_id=cast.northwind.id, name="DEFAULT")


def test_what_gateways_must_see_raises_the_accounts_version(cast: Cast) -> None:
    before = Account.objects.get(pk=cast.northwind.id).version
    services.set_account_budget(account_id=cast.northwind.id, monthly_budget=5)
    services.update_project(account_id=cast.northwind.id, slug="default", name="default", monthly_budget=7)
    assert Account.objects.get(pk=cast.northwind.id).version == before + 2


@pytest.mark.django_db(transaction=True)
def test_a_person_who_arrives_twice_at_once_gets_one_account() -> None:
    user = User.objects.create_user("dora@example.com", "a password of hers")

    def arrive(_: int) -> str:
        try:
            return services.ensure_account(user_id=user.pk).slug
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(arrive, range(4))) == {"dora"}
    assert Membership.objects.filter(user=user).count() == 1
