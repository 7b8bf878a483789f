"""Stops an account, all keys of it at once, and lets it go on."""

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.services.revisions import raise_revision
from apps.common.errors import Invalid

LONGEST_REASON = 500


def suspend_account(*, account_id: int, reason: str, once: bool = False) -> None:
    """Gateways refuse its keys from this moment on. The reason is told to its people.

    `once`: one that is suspended already keeps the reason that it has.
    """
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise Invalid("reason", f"Give a reason of 1 to {LONGEST_REASON} characters; the account's people see it.")
    with transaction.atomic():
        raise_revision(account_id)
        if once and Account.objects.filter(pk=account_id, suspended_at__isnull=False).exists():
            return
        Account.objects.filter(pk=account_id).update(suspension_reason=reason)
        Account.objects.filter(pk=account_id, suspended_at=None).update(suspended_at=timezone.now())


def resume_account(*, account_id: int, suspended_for: str | None = None) -> None:
    """With `suspended_for` only if that is the reason: who was suspended for another one stays so."""
    with transaction.atomic():
        raise_revision(account_id)
        rows = Account.objects.filter(pk=account_id)
        if suspended_for is not None:
            rows = rows.filter(suspension_reason=suspended_for)
        rows.update(suspended_at=None, suspension_reason="")
