"""Limits and budgets of accounts and projects, and the tiers that give accounts theirs."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.models import Account, Project, Tier
from apps.accounts.services.revisions import raise_revision
from apps.common.errors import Invalid, NotFound
from apps.common.limits import LIMIT_FIELDS

BUDGET_FIELDS = ("monthly_budget", "total_budget", "budget_is_hard")
ACCOUNT_FIELDS = (*LIMIT_FIELDS, *BUDGET_FIELDS, "tier_id")
PROJECT_FIELDS = (*LIMIT_FIELDS, *BUDGET_FIELDS)
TIER_FIELDS = ("name", "is_for_new_accounts", *LIMIT_FIELDS, "end_user_rpm_limit", "end_user_tpm_limit")


def set_account_limits(*, account_id: int, values: Mapping[str, Any]) -> None:
    """Changes some of ACCOUNT_FIELDS; None lifts a limit of the account's own. Raises Invalid or NotFound."""
    check_values(values, ACCOUNT_FIELDS)
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).update(**values):
            raise NotFound("There is no such account.")
        raise_revision(account_id)


def set_account_credit(*, account_id: int, credit: int | None) -> None:
    """What the ledger says that the account may use in all, since ever (nano-dollars); None: there is no limit."""
    with transaction.atomic():
        if Account.objects.filter(pk=account_id).exclude(credit=credit).update(credit=credit):
            raise_revision(account_id)


def set_project_limits(*, account_id: int, slug: str, values: Mapping[str, Any]) -> None:
    """Changes some of PROJECT_FIELDS. Raises Invalid or NotFound."""
    check_values(values, PROJECT_FIELDS)
    with transaction.atomic():
        if not Project.objects.filter(account_id=account_id, slug=slug).update(**values):
            raise NotFound("There is no such project in this account.")
        raise_revision(account_id)


def save_tier(*, tier_id: int | None, values: Mapping[str, Any]) -> int:
    """Makes or changes a tier; its accounts come under the new limits at once. The tier's id."""
    check_values(values, TIER_FIELDS)
    with transaction.atomic():
        if values.get("is_for_new_accounts"):
            Tier.objects.exclude(pk=tier_id or 0).update(is_for_new_accounts=False)
        if tier_id is None:
            return Tier.objects.create(**values).pk
        Tier.objects.filter(pk=tier_id).update(**values)
        for account_id in Account.objects.filter(tier_id=tier_id).values_list("pk", flat=True):
            raise_revision(account_id)
        return tier_id


def check_values(values: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Raises Invalid for a name that is not among those allowed, and for a value that it cannot have."""
    for name, value in values.items():
        if name not in allowed:
            raise Invalid(name, f"{name} cannot be set here; {', '.join(allowed)} can.")
        if name.endswith("_limit") and value is not None and not 1 <= value < 2**31:
            raise Invalid(name, "Give a whole number above zero, or leave it empty.")
        if name.endswith("_budget") and value is not None and not 0 <= value < 2**53:
            raise Invalid(name, "Give a sum of zero or more, or leave it empty.")
