"""Invitations: mailed, used once, by the right person, in time."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from apps.accounts import selectors, services
from apps.accounts.models import Invitation, Membership, User
from apps.accounts.tests.cast import PASSWORD, Cast
from apps.common.errors import Forbidden, Invalid, NotFound

pytestmark = pytest.mark.django_db(transaction=True)


def invite(cast: Cast, email: str = "dora@example.com", role: str = "viewer") -> str:
    mail.outbox.clear()
    services.invite_member(
        account_id=cast.northwind.id,
        email=email,
        role=role,
        by_id=cast.alice.pk,
        link_of_token=lambda token: f"https://artemis.example/invitations/{token}/",
    )
    found = re.search(r"/invitations/([\w-]+)/", str(mail.outbox[0].body))
    assert found and mail.outbox[0].to == [email.lower()]
    return found[1]


@pytest.fixture
def dora() -> User:
    return User.objects.create_user("dora@example.com", PASSWORD)


def test_an_invitation_makes_a_member_once(cast: Cast, dora: User) -> None:
    token = invite(cast)
    assert services.accept_invitation(token=token, user_id=dora.pk).role == "viewer"
    Membership.objects.filter(user=dora).delete()
    with pytest.raises(Invalid):
        services.accept_invitation(token=token, user_id=dora.pk)
    assert not Membership.objects.filter(user=dora).exists()


def test_only_the_tokens_fingerprint_is_kept(cast: Cast) -> None:
    token = invite(cast)
    assert Invitation.objects.get().token_hash == hashlib.sha256(token.encode()).hexdigest()


def test_it_is_for_its_address_only(cast: Cast) -> None:
    token = invite(cast)
    with pytest.raises(Forbidden):
        services.accept_invitation(token=token, user_id=cast.charlie.pk)
    assert selectors.invitation_by_token(token=token).state == "open"


def test_expired_and_withdrawn_ones_do_not_work(cast: Cast, dora: User) -> None:
    token = invite(cast)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Invalid):
        services.accept_invitation(token=token, user_id=dora.pk)
    token = invite(cast)
    services.revoke_invitation(
        account_id=cast.northwind.id,
        invitation_id=selectors.invitation_by_token(token=token).id,
        by_id=cast.alice.pk,
    )
    with pytest.raises(Invalid):
        services.accept_invitation(token=token, user_id=dora.pk)


def test_a_second_invitation_replaces_the_first(cast: Cast, dora: User) -> None:
    first, second = invite(cast), invite(cast, email="Dora@Example.com")
    with pytest.raises(Invalid):
        services.accept_invitation(token=first, user_id=dora.pk)
    services.accept_invitation(token=second, user_id=dora.pk)


def test_of_many_who_race_with_one_link_one_is_served(cast: Cast, dora: User) -> None:
    token = invite(cast)

    def accept(_: int) -> str:
        try:
            services.accept_invitation(token=token, user_id=dora.pk)
        except Invalid:
            return "refused"
        finally:
            connection.close()
        return "joined"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(accept, range(4))) == ["joined", "refused", "refused", "refused"]


def test_a_token_that_was_never_given_out_is_not_found(cast: Cast, dora: User) -> None:
    with pytest.raises(NotFound):
        services.accept_invitation(token="x" * 43, user_id=dora.pk)


def test_an_invitation_of_another_account_is_not_found(cast: Cast) -> None:
    invitation = selectors.invitation_by_token(token=invite(cast))
    with pytest.raises(NotFound):
        services.revoke_invitation(account_id=cast.charlies.id, invitation_id=invitation.id, by_id=cast.charlie.pk)


@pytest.mark.parametrize(("email", "role"), [("nobody", "viewer"), ("bob@example.com", "viewer"), ("e@e.org", "root")])
def test_bad_invitations_are_refused(cast: Cast, email: str, role: str) -> None:
    with pytest.raises(Invalid):
        invite(cast, email=email, role=role)


def test_an_admin_invites_no_owner(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        services.invite_member(
            account_id=cast.northwind.id,
            email="e@example.org",
            role="owner",
            by_id=cast.join("admin").pk,
            link_of_token=str,
        )
