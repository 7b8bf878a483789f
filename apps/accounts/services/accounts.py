"""Makes and changes accounts."""

from django.db import transaction
from django.utils import timezone

from apps.accounts.contracts import AccountRow
from apps.accounts.models import Account, Membership, Role, User
from apps.accounts.selectors import account_row, first_credit, first_tier
from apps.accounts.services.naming import clean_name, free_slug
from apps.accounts.services.projects import create_project
from apps.accounts.services.revisions import raise_revision
from apps.common.errors import NotFound


def create_account(*, name: str, owner_id: int) -> AccountRow:
    """A new account with its owner and a first project called "default"."""
    name = clean_name(name)
    with transaction.atomic():
        account = Account.objects.create(
            name=name,
            slug=free_slug(Account.objects.all(), name, fallback="account"),
            tier_id=first_tier(),
            credit=first_credit(),
        )
        membership = Membership.objects.create(account=account, user_id=owner_id, role=Role.OWNER)
        create_project(account_id=account.pk, name="default")
    return account_row(membership)


def ensure_account(*, user_id: int) -> AccountRow:
    """The account that a person has had longest; one is made for whoever has none, and only one."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        membership = Membership.objects.filter(user=user).select_related("account").order_by("created_at", "pk").first()
        if membership is not None:
            return account_row(membership)
        return create_account(name=user.email.partition("@")[0][:120] or "Account", owner_id=user.pk)


def rename_account(*, account_id: int, name: str) -> None:
    """Changes the name that people see; the address of its pages stays."""
    if not Account.objects.filter(pk=account_id).update(name=clean_name(name)):
        raise NotFound("There is no such account.")


def set_prompt_log_days(*, account_id: int, days: int | None) -> None:
    """From the next call on, what is asked and answered is kept so long; None: not at all."""
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account_id)
        if account.prompt_log_days is None:
            account.prompt_log_since = timezone.now()
        account.prompt_log_days = days
        account.save(update_fields=["prompt_log_days", "prompt_log_since"])
        raise_revision(account_id)


def forget_prompts(*, account_id: int) -> None:
    """What was asked until now is kept no more. Locks the account until the transaction ends."""
    Account.objects.filter(pk=account_id).update(prompt_log_since=timezone.now())


def set_account_budget(*, account_id: int, monthly_budget: int | None) -> None:
    """Nano-dollars a calendar month (UTC), over all projects and keys; None lifts the limit."""
    with transaction.atomic():
        Account.objects.filter(pk=account_id).update(monthly_budget=monthly_budget)
        raise_revision(account_id)
