"""Offers of membership: a link that works once, for a week, and only for the address it was mailed to."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from apps.accounts.contracts import AccountRow, InvitationRow
from apps.accounts.models import Account, Invitation, Membership, Role, User
from apps.accounts.selectors import account_row, invitation_row, token_hash
from apps.accounts.services.members import require_rank
from apps.common.errors import Forbidden, Invalid, NotFound

VALID_FOR = timedelta(days=7)


def invite_member(
    *, account_id: int, email: str, role: str, by_id: int, link_of_token: Callable[[str], str]
) -> InvitationRow:
    """Mails an invitation. One that was still open for the address stops working."""
    email = _clean_address(email)
    if role not in Role.values:
        raise Invalid("role", f"Choose one of these roles: {', '.join(Role.values)}.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        account = Account.objects.select_for_update().filter(pk=account_id).first()
        if account is None:
            raise NotFound("There is no such account.")
        require_rank(account_id=account_id, by_id=by_id, roles={role})
        if Membership.objects.filter(account=account, user__email__iexact=email).exists():
            raise Invalid("email", "This person is a member already. Change the role in the list instead.")
        _open(account_id).filter(email__iexact=email).update(revoked_at=timezone.now())
        invitation = Invitation.objects.create(
            account=account,
            email=email,
            role=role,
            token_hash=token_hash(token),
            invited_by_id=by_id,
            expires_at=timezone.now() + VALID_FOR,
        )
        transaction.on_commit(partial(_mail, invitation, link_of_token(token)))
    return invitation_row(invitation)


def revoke_invitation(*, account_id: int, invitation_id: int, by_id: int | None) -> None:
    """The mailed link stops working. By a member, or by staff (None)."""
    invitation = _open(account_id).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound("There is no such open invitation in this account.")
    require_rank(account_id=account_id, by_id=by_id, roles={invitation.role})
    _open(account_id).filter(pk=invitation_id).update(revoked_at=timezone.now())


def accept_invitation(*, token: str, user_id: int) -> AccountRow:
    """Makes the person a member. Of two who race with one link, one gets in; nobody else's address does."""
    with transaction.atomic():
        invitation = Invitation.objects.filter(token_hash=token_hash(token)).select_related("account").first()
        if invitation is None:
            raise NotFound(
                "This invitation does not exist. Check that the whole link was opened, or ask for a new one."
            )
        user = User.objects.get(pk=user_id)
        if user.email.lower() != invitation.email.lower():
            raise Forbidden("This invitation is for another address. Sign in with the address that it was mailed to.")
        now = timezone.now()
        taken = _open(invitation.account_id).filter(pk=invitation.pk, expires_at__gt=now).update(accepted_at=now)
        if not taken:
            raise Invalid("token", "This invitation was used, withdrawn or is too old. Ask for a new one.", status=410)
        membership, _ = Membership.objects.get_or_create(
            account=invitation.account, user=user, defaults={"role": invitation.role}
        )
    return account_row(membership)


def _open(account_id: int) -> QuerySet[Invitation]:
    return Invitation.objects.filter(account_id=account_id, accepted_at=None, revoked_at=None)


def _clean_address(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid("email", "Give an e-mail address, such as name@example.com.") from error
    return email


def _mail(invitation: Invitation, link: str) -> None:
    context = {"invitation": invitation, "link": link}
    send_mail(
        subject=f"Join {invitation.account.name} on Artemis",
        message=render_to_string("accounts/email/invitation.txt", context),
        from_email=None,
        recipient_list=[invitation.email],
    )
