"""What other rooms see of money. Sums in nano-dollars."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

NANO_USD = "nano_usd"


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
class IncludedUse:
    """What a plan includes in the month that runs, and what is `left` of it, by the ledger."""

    amount: int
    left: int

    @property
    def used(self) -> int:
        return self.amount - self.left


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
    """`charged` is what was taken this month (UTC); `stopped_because` says why it ended by itself.

    `has_another_card`: the card that would be charged is not the one that was refused, as far as Stripe has told.
    """

    threshold: int
    amount: int
    monthly_cap: int
    enabled: bool
    stopped_because: str
    has_another_card: bool
    charged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpaidInvoice:
    """`step` in words; `page` is Stripe's, where it can be paid. `due` is None where an earlier release noted it.

    `limited_at` and `suspended_at`: when nothing more may be owed and when calls are refused, if it stays unpaid.
    """

    since: datetime
    limited_at: datetime
    suspended_at: datetime
    due: int | None
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

    @property
    def used(self) -> int:
        return self.amount - self.left


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
    def beyond(self) -> int:
        """Use that no credit covers."""
        return max(0, -self.available)

    @property
    def free(self) -> int | None:
        return None if self.limit is None else self.available + self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditChange:
    """A transaction as the customer sees it; `balance` is what it had after it.

    `receipt`: Stripe's page, of a payment by card, once Stripe has told of it.
    """

    id: int
    kind: str
    description: str
    occurred_at: datetime
    posted_at: datetime
    amount: int
    balance: int
    receipt: str = ""

    @property
    def until(self) -> datetime:
        """The end of the hour whose use it is."""
        return self.occurred_at + timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that cannot be: `what` is a stable name, `difference` in nano-dollars, or in what `unit` says."""

    what: str
    where: str
    difference: int
    unit: str = NANO_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A difference of which the cause is known; `why` says it in words."""

    what: str
    where: str
    difference: int
    why: str
    unit: str = NANO_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One comparison of a reconciliation: how many things it `compared`, and what of them differed.

    `state`: done, skipped (there is nothing to compare with) or failed (it could not be made); `note` says why.
    """

    name: str
    title: str
    state: str
    compared: int
    findings: int
    explained: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A whole reconciliation; `first_day` None: since ever."""

    first_day: date | None
    last_day: date
    checks: list[CheckResult]
    findings: list[Finding]
    explained: list[Explained]

    @property
    def is_clean(self) -> bool:
        """Nothing is unexplained, and nothing that should have been compared was not."""
        return not self.findings and all(check.state != "failed" for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReconciliation:
    """What Prometheus is told of it; `ended_at` in seconds since 1970."""

    findings: int
    failed_checks: int
    ended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRevenue:
    """What the ledger has of a day (UTC) and a model; of subscriptions the fees, under a name of their own."""

    day: date
    model: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Movements:
    """What moved in a span of time, of all accounts together; each sum as its name says, none of them negative."""

    by_stripe: int
    by_hand: int
    refunded: int
    fees: int
    granted: int
    expired: int
    spent_promotional: int
    usage_refunded: int
    written_off: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Debtor:
    account_id: int
    name: str
    slug: str
    owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What all accounts have and owe together, now."""

    prepaid: int
    promotional: int
    owed: int
    debtors: list[Debtor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpRow:
    """`page`: Stripe's, for the staff; empty where there is none."""

    id: int
    amount: int
    state: str
    is_automatic: bool
    payment_intent_id: str
    page: str
    created_at: datetime
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStripe:
    """An account as Stripe knows it, for the staff. Pages are empty where a stand-in answers."""

    customer_id: str
    customer_page: str
    subscription_id: str
    subscription_page: str
    top_ups: list[TopUpRow]
