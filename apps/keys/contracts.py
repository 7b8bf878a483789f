"""What other rooms see of API keys."""

from dataclasses import dataclass, field
from datetime import datetime

from apps.common.limits import RateLimits

NO_LIMITS = RateLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """What a key may do. None means the platform's default, an empty tuple means everything (of endpoints: all but
    those of ONLY_WHERE_NAMED).

    Budgets in nano-dollars, a calendar month (UTC) or in all; those that are not hard only warn. Limits of requests and
    tokens a minute, of tokens a day, of requests at once.
    """

    allowed_models: tuple[str, ...] = ()
    allowed_endpoints: tuple[str, ...] = ()
    ip_allow_list: tuple[str, ...] = ()
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    tpd_limit: int | None = None
    parallel_limit: int | None = None
    monthly_budget: int | None = None
    total_budget: int | None = None
    budget_is_hard: bool = True
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A key just made or rotated: the only moment at which its secret is known."""

    public_id: str
    secret: str = field(repr=False)
    name: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """All that the gateway needs to know of a key to admit a request; no secret in it.

    The versions are compared with those in Redis at each admission: a changed key or account is read anew.
    """

    secret_hash: str = field(repr=False)
    key_id: int
    public_id: str
    version: int
    account_id: int
    account_version: int
    project_id: int
    policy: KeyPolicy
    account_budget: int | None
    project_budget: int | None
    account_total_budget: int | None = None
    account_credit: int | None = None
    tier: str = ""
    project_total_budget: int | None = None
    account_budget_is_hard: bool = True
    project_budget_is_hard: bool = True
    project_limits: RateLimits = NO_LIMITS
    account_limits: RateLimits = NO_LIMITS
    end_user_limits: RateLimits = NO_LIMITS
    prompts_are_logged: bool = False
    secret_expires_at: datetime | None
    disabled: bool
    revoked: bool
    account_suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as its account's people see it."""

    public_id: str
    name: str
    project_slug: str
    project_name: str
    hints: tuple[str, ...]
    status: str  # "active", "disabled", "expired" or "revoked"
    policy: KeyPolicy
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    rotating_until: datetime | None
