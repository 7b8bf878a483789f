"""What other rooms see of consumption. Costs in nano-dollars, counts in tokens."""

from dataclasses import dataclass
from datetime import date, datetime

TIERS = ("default", "batch")
"""What a request may be priced as: batch at half the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    requests: int = 0
    failed_requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    searches: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBucket:
    """Totals of one hour or day; `label` and `identifier` name the group, where there are groups."""

    start: datetime | date
    totals: UsageTotals
    label: str = ""
    identifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSlice:
    """Totals of one group in one hour or day, which begins at `start`; `group` says what it has of each dimension."""

    start: datetime
    group: dict[str, str | None]
    totals: UsageTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageShare:
    """Totals of one model, key or project over a span of time."""

    label: str
    identifier: str
    totals: UsageTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request, as an account's people see it in their log."""

    request_id: str
    started_at: datetime
    key_name: str
    key_public_id: str
    project_name: str
    model: str
    deployment: str
    endpoint: str
    outcome: str
    error_code: str
    streamed: bool
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    searches: int
    estimated: bool
    service_tier: str
    cost: int
    duration_ms: int
    first_token_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentUse:
    """What was answered from a place, or from several one after the other (`a+b`), of all accounts."""

    deployment: str
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecordedEvents:
    """Settled requests that stand in Redis, and what they cost."""

    number: int
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSpending:
    """What gateways counted of a scope ("key:7") in a period ("202611" or "total"); what of it is recorded, or waits.

    Nano-dollars. `unrecordable`: what events cost that no worker could record, the oldest first.
    """

    scope: str
    period: str
    counted: int
    recorded: int
    waiting: int
    unrecordable: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedHolds:
    """What gateways counted as held by a scope ("key:7"), and what its open requests hold; nano-dollars."""

    scope: str
    counted: int
    held: int
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpostedCharge:
    """What an hour's use of a model cost, at one price and tier, beyond what the ledger has of it."""

    id: int
    hour: datetime
    model: str
    cost: int
