"""Making, changing, rotating and revoking keys; only within their own account."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.services import archive_project, create_project
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound
from apps.common.redis import sync_redis
from apps.common.revisions import key_revision
from apps.keys import selectors, services
from apps.keys.contracts import IssuedKey, KeyPolicy
from apps.keys.models import ApiKey, KeySecret
from apps.keys.tokens import token_hash

DAY = timedelta(days=1)


@pytest.fixture
def issued(cast: Cast) -> IssuedKey:
    return make(cast)


def make(cast: Cast, **policy: Any) -> IssuedKey:
    return services.create_key(
        account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy(**policy)
    )


def test_the_secret_is_nowhere_but_in_the_answer(cast: Cast, issued: IssuedKey) -> None:
    stored = KeySecret.objects.get()
    assert stored.secret_hash == token_hash(issued.secret)
    assert issued.secret not in str(list(KeySecret.objects.values()) + list(ApiKey.objects.values()))
    assert issued.secret not in repr(issued)
    facts = selectors.facts_of_secret(secret_hash=token_hash(issued.secret))
    assert facts is not None
    assert facts.public_id == issued.public_id
    assert stored.secret_hash not in repr(facts)


@pytest.mark.parametrize(
    ("policy", "param"),
    [
        ({"rpm_limit": 0}, "rpm_limit"),
        ({"rpm_limit": -1}, "rpm_limit"),
        ({"tpm_limit": 2**31}, "tpm_limit"),
        ({"parallel_limit": 0}, "parallel_limit"),
        ({"monthly_budget": -1}, "monthly_budget"),
        ({"monthly_budget": 2**53}, "monthly_budget"),
        ({"allowed_endpoints": ("chat.completions", "moon")}, "allowed_endpoints"),
        ({"ip_allow_list": ("10.0.0.0/33",)}, "ip_allow_list"),
        ({"ip_allow_list": ("example.com",)}, "ip_allow_list"),
        ({"expires_at": timezone.now() - DAY}, "expires_at"),
        ({"allowed_models": ("m" * 121,)}, "allowed_models"),
        ({"allowed_models": ("a\0b",)}, "allowed_models"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(cast: Cast, policy: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(cast, **policy)
    assert refused.value.param == param
    assert not ApiKey.objects.exists()


def test_a_policy_is_kept_as_it_was_meant(cast: Cast) -> None:
    issued = make(
        cast,
        allowed_models=(" moon ", ""),
        allowed_endpoints=("embeddings",),
        ip_allow_list=(" 10.0.0.7/8 ", "2001:db8::1", ""),
        monthly_budget=0,
        rpm_limit=1,
    )
    policy = selectors.key_of_account(account_id=cast.northwind.id, public_id=issued.public_id).policy
    assert policy.allowed_models == ("moon",)
    assert policy.ip_allow_list == ("10.0.0.0/8", "2001:db8::1/128")
    assert (policy.monthly_budget, policy.rpm_limit, policy.tpm_limit) == (0, 1, None)


@pytest.mark.parametrize("name", ["", "  ", "x" * 121, "a\nb", "a\0b"])
def test_a_name_that_nobody_can_read_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.create_key(account_id=cast.northwind.id, project_slug="default", name=name, policy=KeyPolicy())
    assert refused.value.param == "name"


def test_another_accounts_project_does_not_exist(cast: Cast) -> None:
    create_project(account_id=cast.charlies.id, name="secret")
    with pytest.raises(NotFound):
        services.create_key(account_id=cast.northwind.id, project_slug="secret", name="x", policy=KeyPolicy())


def test_an_archived_project_gets_no_keys_and_stops_its_own(cast: Cast) -> None:
    create_project(account_id=cast.northwind.id, name="old")
    issued = services.create_key(account_id=cast.northwind.id, project_slug="old", name="x", policy=KeyPolicy())
    archive_project(account_id=cast.northwind.id, slug="old")
    with pytest.raises(NotFound):
        services.create_key(account_id=cast.northwind.id, project_slug="old", name="x", policy=KeyPolicy())
    facts = selectors.facts_of_secret(secret_hash=token_hash(issued.secret))
    assert facts is not None
    assert facts.disabled


@pytest.mark.parametrize(
    "act",
    [
        lambda **key: services.update_key(name="x", policy=KeyPolicy(), **key),
        lambda **key: services.set_disabled(disabled=True, **key),
        lambda **key: services.revoke_key(**key),
        lambda **key: services.rotate_key(grace=DAY, **key),
        lambda **key: selectors.key_of_account(**key),
    ],
    ids=["update", "disable", "revoke", "rotate", "read"],
)
def test_another_accounts_key_does_not_exist(cast: Cast, issued: IssuedKey, act: Callable[..., Any]) -> None:
    before = ApiKey.objects.values().get()
    with pytest.raises(NotFound):
        act(account_id=cast.charlies.id, public_id=issued.public_id)
    assert ApiKey.objects.values().get() == before
    assert KeySecret.objects.count() == 1


def test_a_key_that_expired_can_still_be_changed(cast: Cast) -> None:
    """Its expiry, unchanged, need not lie ahead."""
    issued = make(cast, expires_at=timezone.now() + DAY)
    past = timezone.now() - DAY
    ApiKey.objects.update(expires_at=past)
    policy = KeyPolicy(expires_at=past, rpm_limit=5)
    key = {"account_id": cast.northwind.id, "public_id": issued.public_id}
    services.update_key(name="Chat", policy=policy, **key)
    assert selectors.key_of_account(**key).status == "expired"
    with pytest.raises(Invalid):
        services.update_key(name="Chat", policy=replace(policy, expires_at=past - DAY), **key)


def test_rotation_ends_the_old_secrets_after_the_grace_and_never_lengthens_them(cast: Cast, issued: IssuedKey) -> None:
    key = {"account_id": cast.northwind.id, "public_id": issued.public_id}
    second = services.rotate_key(grace=timedelta(hours=1), **key)
    first_end = KeySecret.objects.get(secret_hash=token_hash(issued.secret)).expires_at
    third = services.rotate_key(grace=DAY, **key)
    ends = dict(KeySecret.objects.values_list("secret_hash", "expires_at"))

    assert ends[token_hash(issued.secret)] == first_end
    assert ends[token_hash(second.secret)] > timezone.now() + timedelta(hours=23)
    assert ends[token_hash(third.secret)] is None
    assert second.public_id == third.public_id == issued.public_id
    services.rotate_key(grace=timedelta(0), **key)
    assert KeySecret.objects.filter(expires_at__gt=timezone.now()).count() == 0


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=31)])
def test_a_grace_is_between_nothing_and_a_month(cast: Cast, issued: IssuedKey, grace: timedelta) -> None:
    with pytest.raises(Invalid):
        services.rotate_key(account_id=cast.northwind.id, public_id=issued.public_id, grace=grace)


def test_a_revoked_key_stays_revoked(cast: Cast, issued: IssuedKey) -> None:
    key = {"account_id": cast.northwind.id, "public_id": issued.public_id}
    services.revoke_key(**key)
    moment = ApiKey.objects.get().revoked_at
    services.revoke_key(**key)
    assert ApiKey.objects.get().revoked_at == moment
    for act in (
        lambda: services.set_disabled(disabled=False, **key),
        lambda: services.rotate_key(grace=DAY, **key),
        lambda: services.update_key(name="x", policy=KeyPolicy(), **key),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert refused.value.code == "key_revoked"


def test_a_change_is_published_once_it_is_committed(
    cast: Cast, issued: IssuedKey, django_capture_on_commit_callbacks: Any
) -> None:
    name = key_revision(issued.public_id)
    sync_redis().delete(name)
    with django_capture_on_commit_callbacks(execute=True):
        services.set_disabled(account_id=cast.northwind.id, public_id=issued.public_id, disabled=True)
        assert sync_redis().get(name) is None
    assert int(sync_redis().get(name) or 0) == ApiKey.objects.get().version == 2
    sync_redis().set(name, 9)
    with django_capture_on_commit_callbacks(execute=True):
        services.revoke_key(account_id=cast.northwind.id, public_id=issued.public_id)
    assert sync_redis().get(name) == b"9"  # a revision only rises
