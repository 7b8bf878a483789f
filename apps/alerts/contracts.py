"""What other rooms see of budgets, of what was told of them, and of webhooks. Sums in nano-dollars."""

from dataclasses import dataclass
from datetime import datetime

THRESHOLDS = (50, 80, 100)
TOTAL = "total"
REFUSALS = "art:refused"
"""In Redis: the budgets that refused calls since they were last looked at, each with its sum as it was then
("key:7 202611 5000000000"); admission adds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """One budget, and what is spent of it."""

    scope: str  # "key", "project" or "account"
    id: int
    account_id: int
    reference: str
    name: str
    period: str  # a month, such as "2026-11", or "total"
    spent: int
    budget: int
    is_hard: bool

    @property
    def percent(self) -> int:
        """Whole per cent, rounded down: 100 is only said of what is spent."""
        if not self.budget:
            return 100 if self.spent else 0
        return self.spent * 100 // self.budget

    @property
    def crossed(self) -> int:
        """The highest threshold that is reached, or 0."""
        return max((threshold for threshold in THRESHOLDS if self.percent >= threshold), default=0)

    @property
    def is_total(self) -> bool:
        return self.period == TOTAL


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    created_at: datetime
    scope: str
    name: str
    period: str
    threshold: int
    spent: int
    budget: int
    is_hard: bool
    refused: bool
    mailed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    url: str
    host: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """`state`: "waiting", "delivered" or "failed"; `outcome`: what came of the last attempt."""

    message_id: str
    kind: str
    about: str
    created_at: datetime
    state: str
    attempts: int
    outcome: str
    next_attempt_at: datetime | None
