"""What other rooms see of money. Sums in nano-dollars."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Booked:
    """A transaction of the ledger; `is_new`: it was written now, not before under the same key."""

    transaction_id: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """Whether the platform takes any through Stripe; `by_stand_in`: no money is moved."""

    are_taken: bool
    by_stand_in: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """A plan on offer; sums in nano-dollars, a month."""

    slug: str
    name: str
    description: str
    fee: int
    included: int
    credit_limit: int
    trial_days: int
    limits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlan:
    """An account's plan; `by_stripe`: it is paid for there, and not given by staff."""

    slug: str
    name: str
    fee: int
    status: str
    by_stripe: bool
    period_end: datetime | None
    ends_with_period: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of a plan: what is charged today, and the fee of the months to come."""

    plan: str
    due_now: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    description: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NextInvoice:
    """As it would be if it were written now. Sums in nano-dollars."""

    due_at: datetime
    lines: list[InvoiceLine]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticTopUp:
    """`charged` is what was taken this month (UTC); `stopped_because` says why it ended by itself."""

    threshold: int
    amount: int
    monthly_cap: int
    enabled: bool
    stopped_because: str
    charged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpaidInvoice:
    """`step` in words; `page` is Stripe's, where it can be paid."""

    since: datetime
    step: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRow:
    """`page` and `pdf` are Stripe's."""

    number: str
    created_at: datetime
    total: int
    status: str
    page: str
    pdf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Promotional credit that is left of what was given at once."""

    description: str
    amount: int
    left: int
    granted_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account has. `owed` is use that nothing paid for yet, without what an invoice has of it (`metered`);
    `unposted` is recorded use that the ledger lacks; `limit` how much it may owe, None: any.

    `free` is what it may still use, None where nothing limits it; requests in flight hold some of that.
    """

    prepaid: int
    promotional: int
    owed: int
    metered: int
    unposted: int
    limit: int | None

    @property
    def available(self) -> int:
        """Negative: that much is owed."""
        return self.prepaid + self.promotional - self.owed - self.metered - self.unposted

    @property
    def free(self) -> int | None:
        return None if self.limit is None else self.available + self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditChange:
    """A transaction as the customer sees it; `balance` is what it had after it."""

    id: int
    kind: str
    description: str
    occurred_at: datetime
    posted_at: datetime
    amount: int
    balance: int

    @property
    def until(self) -> datetime:
        """The end of the hour whose use it is."""
        return self.occurred_at + timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in the ledger that cannot be: `what` is a stable name, `difference` in nano-dollars."""

    what: str
    where: str
    difference: int
