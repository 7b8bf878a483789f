"""What other rooms see of accounts, their people and projects, and what each role may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict


class Permission(StrEnum):
    VIEW = "view"
    KEYS = "keys"
    PROJECTS = "projects"
    MEMBERS = "members"
    BILLING = "billing"
    PROMPTS = "prompts"
    SETTINGS = "settings"
    OWNERSHIP = "ownership"


_ADMIN = frozenset(Permission) - {Permission.OWNERSHIP}

PERMISSIONS: dict[str, frozenset[Permission]] = {
    "owner": frozenset(Permission),
    "admin": _ADMIN,
    "developer": frozenset({Permission.VIEW, Permission.KEYS, Permission.PROMPTS}),
    "billing": frozenset({Permission.VIEW, Permission.BILLING}),
    "viewer": frozenset({Permission.VIEW}),
}

ROLES: dict[str, str] = {
    "owner": "Everything, and who else is an owner",
    "admin": "Everything except ownership",
    "developer": "Makes and manages keys, sees usage and logged prompts",
    "billing": "Manages budgets and money, sees usage",
    "viewer": "Sees everything but logged prompts, changes nothing",
}


class MoreOfBudget(TypedDict, total=False):
    """What a project's budget may have besides the sum for a month."""

    total_budget: int | None
    budget_is_hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """The budgets of one key, project or account; `reference` is how its account's people name it."""

    scope: str  # "key", "project" or "account"
    id: int
    account_id: int
    reference: str
    name: str
    monthly: int | None
    total: int | None
    is_hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as one of its members sees it: `role` is that member's; `prompt_log_days`: None where prompts are not
    logged."""

    id: int
    slug: str
    name: str
    role: str
    monthly_budget: int | None
    total_budget: int | None
    budget_is_hard: bool
    prompt_log_days: int | None
    suspended: bool
    suspension_reason: str = ""

    @property
    def permissions(self) -> frozenset[Permission]:
        return PERMISSIONS[self.role]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    user_id: int
    email: str
    role: str
    joined_at: datetime
    last_login: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRow:
    id: int
    slug: str
    name: str
    monthly_budget: int | None
    total_budget: int | None
    budget_is_hard: bool
    created_at: datetime
    archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    id: int
    account_name: str
    email: str
    role: str
    invited_by: str
    created_at: datetime
    expires_at: datetime
    state: str  # "open", "accepted", "revoked" or "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    id: int
    subject: str
    text: str
    created_at: datetime
