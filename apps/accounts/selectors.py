"""Reads accounts, members, projects and invitations. What is owned is asked for by account or member."""

import hashlib
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from apps.accounts.contracts import AccountRow, BudgetRow, InvitationRow, LetterRow, MemberRow, ProjectRow
from apps.accounts.models import Account, Invitation, Letter, Membership, Project, Tier
from apps.common.errors import NotFound
from apps.common.money import usd_to_nano

HAS_BUDGET = Q(monthly_budget__isnull=False) | Q(total_budget__isnull=False)


def accounts_of_user(*, user_id: int) -> list[AccountRow]:
    """The accounts that a person belongs to, by name."""
    rows = Membership.objects.filter(user_id=user_id).select_related("account").order_by("account__name", "pk")
    return [account_row(membership) for membership in rows]


def account_of_user(*, user_id: int, slug: str) -> AccountRow:
    """One account as its member sees it. Raises NotFound for everybody else."""
    membership = Membership.objects.filter(user_id=user_id, account__slug=slug).select_related("account").first()
    if membership is None:
        raise NotFound("There is no such account, or you are not a member of it.")
    return account_row(membership)


def account_row(membership: Membership) -> AccountRow:
    account = membership.account
    return AccountRow(
        id=account.pk,
        slug=account.slug,
        name=account.name,
        role=membership.role,
        monthly_budget=account.monthly_budget,
        total_budget=account.total_budget,
        budget_is_hard=account.budget_is_hard,
        prompt_log_days=account.prompts_kept_days,
        suspended=account.suspended_at is not None,
        suspension_reason=account.suspension_reason,
    )


def account_exists(*, account_id: int) -> bool:
    return Account.objects.filter(pk=account_id).exists()


def is_suspended(*, account_id: int) -> bool:
    return Account.objects.filter(pk=account_id, suspended_at__isnull=False).exists()


def prompts_kept_days(*, account_id: int, asked_at: datetime) -> int | None:
    """How long what was asked then is kept; None: not at all. So it stays until the transaction ends."""
    account = Account.objects.select_for_update(no_key=True).filter(pk=account_id).first()
    if account is None or account.prompt_log_since is None or asked_at < account.prompt_log_since:
        return None
    return account.prompts_kept_days


def first_credit() -> int | None:
    """What an account may use before it has paid or been given anything, in nano-dollars; None: there is no limit."""
    limit: str = settings.BILLING_CREDIT_LIMIT_USD
    return usd_to_nano(limit) if limit else None


def credit_that_stops(*, account_id: int) -> int | None:
    """What the account may use in all by its credit, where that is what stops its calls: no budget does before."""
    row = Account.objects.filter(pk=account_id).values_list("credit", "total_budget", "budget_is_hard").first()
    credit, budget, is_hard = row or (None, None, False)
    return None if credit is None or (is_hard and budget is not None and budget < credit) else credit


def first_tier() -> int | None:
    """The tier that accounts begin with, and fall back to; None: there is none."""
    return Tier.objects.filter(is_for_new_accounts=True).values_list("pk", flat=True).first()


def tier_of_account(*, account_id: int) -> int | None:
    return Account.objects.filter(pk=account_id).values_list("tier_id", flat=True).first()


def members_of_account(*, account_id: int) -> list[MemberRow]:
    rows = Membership.objects.filter(account_id=account_id).select_related("user").order_by("created_at", "pk")
    return [
        MemberRow(
            user_id=row.user_id,
            email=row.user.email,
            role=row.role,
            joined_at=row.created_at,
            last_login=row.user.last_login,
        )
        for row in rows
    ]


def addresses_of_account(*, account_id: int, roles: Collection[str]) -> list[str]:
    """The e-mail addresses of its active members who have one of these roles."""
    members = Membership.objects.filter(account_id=account_id, role__in=roles, user__is_active=True)
    return list(members.order_by("created_at", "pk").values_list("user__email", flat=True))


def account_name(*, account_id: int) -> tuple[str, str]:
    """(name, slug) of an account, for what is mailed to its people. Raises NotFound."""
    row = Account.objects.filter(pk=account_id).values_list("name", "slug").first()
    if row is None:
        raise NotFound("There is no such account.")
    return row


def letters_of_account(*, account_id: int, limit: int = 12) -> list[LetterRow]:
    """What its people were told of money, the newest first."""
    rows = Letter.objects.filter(account_id=account_id)[:limit]
    return [LetterRow(id=row.pk, subject=row.subject, text=row.text, created_at=row.created_at) for row in rows]


def budgets_of_accounts(*, account_id: int | None = None) -> list[BudgetRow]:
    """Of accounts that have a budget: this one, or all of them for the platform's own work."""
    rows = Account.objects.filter(HAS_BUDGET, suspended_at=None)
    return [_budget("account", row, row.pk) for row in (rows if account_id is None else rows.filter(pk=account_id))]


def budgets_of_projects(*, account_id: int | None = None) -> list[BudgetRow]:
    """Of projects that have a budget: of this account, or all of them for the platform's own work."""
    rows = Project.objects.filter(HAS_BUDGET, archived_at=None, account__suspended_at=None)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    return [_budget("project", row, row.account_id) for row in rows]


def _budget(scope: str, row: Account | Project, account_id: int) -> BudgetRow:
    return BudgetRow(
        scope=scope,
        id=row.pk,
        account_id=account_id,
        reference=row.slug,
        name=row.name,
        monthly=row.monthly_budget,
        total=row.total_budget,
        is_hard=row.budget_is_hard,
    )


def projects_of_account(*, account_id: int, archived: bool = False) -> list[ProjectRow]:
    """The account's projects, oldest first; the archived ones only where asked for."""
    rows = Project.objects.filter(account_id=account_id).order_by("created_at", "pk")
    return [project_row(row) for row in (rows if archived else rows.filter(archived_at=None))]


def project_of_account(*, account_id: int, slug: str) -> ProjectRow:
    """Raises NotFound where the account has no such project."""
    row = Project.objects.filter(account_id=account_id, slug=slug).first()
    if row is None:
        raise NotFound("There is no such project in this account.", param="project")
    return project_row(row)


def project_row(project: Project) -> ProjectRow:
    return ProjectRow(
        id=project.pk,
        slug=project.slug,
        name=project.name,
        monthly_budget=project.monthly_budget,
        total_budget=project.total_budget,
        budget_is_hard=project.budget_is_hard,
        created_at=project.created_at,
        archived=project.archived_at is not None,
    )


def open_invitations(*, account_id: int) -> list[InvitationRow]:
    """Those that wait for an answer, expired ones included, newest first."""
    rows = Invitation.objects.filter(account_id=account_id, accepted_at=None, revoked_at=None)
    return [invitation_row(row) for row in rows.select_related("account", "invited_by").order_by("-created_at")]


def invitation_by_token(*, token: str) -> InvitationRow:
    """The invitation that a mailed link names. Raises NotFound for a token that was never given out."""
    row = Invitation.objects.filter(token_hash=token_hash(token)).select_related("account", "invited_by").first()
    if row is None:
        raise NotFound("This invitation does not exist. Check that the whole link was opened, or ask for a new one.")
    return invitation_row(row)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def invitation_row(invitation: Invitation) -> InvitationRow:
    if invitation.accepted_at:
        state = "accepted"
    elif invitation.revoked_at:
        state = "revoked"
    else:
        state = "open" if invitation.is_open else "expired"
    return InvitationRow(
        id=invitation.pk,
        account_name=invitation.account.name,
        email=invitation.email,
        role=invitation.role,
        invited_by=invitation.invited_by.email if invitation.invited_by else "",
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        state=state,
    )


def account_id_of_slug(*, slug: str) -> int:
    """For staff and commands, which act for any account. Raises NotFound."""
    account_id = Account.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if account_id is None:
        raise NotFound(f"There is no account {slug!r}.")
    return account_id
