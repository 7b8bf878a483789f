"""What doors give the gateway, and what they get back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apps.catalog.contracts import ModelFacts
from apps.common.errors import LimitExceeded
from apps.keys.contracts import KeyFacts
from inference.client import NO_LIMITS, TimeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One checked request. `payload` is what goes to the engine: allowed fields only, without `model` and `stream`.

    `prompt_bytes` bounds the prompt: a token is at least one byte. `choices` is how many answers are generated for
    it (n for each prompt), `output_limit` the caller's limit of tokens for each, None where it gave none. `schemas` is
    a digest of the JSON schemas in it, empty where it has none.
    `extensions`: the fields in it that are the asked model's engines' own.
    `may_be_logged`, with its answer, where its account wants that: not what is asked by the way, or not to be stored.
    `service_tier`: "default", or "batch" at half the price; `prepaid`: charged before, under another id, and so for
    nothing now; `counted`: as a request a minute, before, by `check_admission`.
    """

    request_id: str
    endpoint: str  # a name of apps.common.endpoints
    key: KeyFacts
    address: str
    model: ModelFacts
    payload: dict[str, Any]
    prompt_bytes: int
    service_tier: str = "default"
    prepaid: bool = False
    counted: bool = False
    choices: int = 1
    output_limit: int | None = None
    output_limit_field: str = "max_tokens"
    stream: bool = False
    include_usage: bool = False
    end_user: str = ""
    limits: TimeLimits = NO_LIMITS
    schemas: str = ""
    extensions: frozenset[str] = frozenset()
    may_be_logged: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """`input` with its cached part, `output` with its thoughts."""

    input: int
    cached_input: int
    output: int
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """A key's limits as it stands after an admission; resets in seconds."""

    limit_requests: int
    remaining_requests: int
    reset_requests: float
    limit_tokens: int
    remaining_tokens: int
    reset_tokens: float

    def headers(self) -> dict[str, str]:
        """OpenAI's rate-limit headers."""
        return {
            "x-ratelimit-limit-requests": str(self.limit_requests),
            "x-ratelimit-remaining-requests": str(self.remaining_requests),
            "x-ratelimit-reset-requests": f"{self.reset_requests:.3f}s",
            "x-ratelimit-limit-tokens": str(self.limit_tokens),
            "x-ratelimit-remaining-tokens": str(self.remaining_tokens),
            "x-ratelimit-reset-tokens": f"{self.reset_tokens:.3f}s",
        }


class LimitReached(LimitExceeded):
    """A refusal by a limit, with the state of the limits for the answer's headers."""

    def __init__(self, message: str, *, code: str, retry_after: float | None, rates: RateState) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.rates = rates


class Write(Protocol):
    """Sends a part of a body; `last` ends it."""

    async def __call__(self, part: bytes, *, last: bool = False) -> None: ...


class EventStream(Protocol):
    """Must be pumped, once, or abandoned: that settles the call. `pump` writes to the end, failures included."""

    async def pump(self, write: Write) -> None: ...

    async def abandon(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer (`body`) or a stream of server-sent events (`stream`), whose status is 200."""

    body: bytes = b""
    stream: EventStream | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Of a prompt; `estimated`: by us, since no engine counted it."""

    input_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What waits in Redis, of all gateways together, and what room it has.

    `memory`, `memory_limit` (0: none): bytes. `evicts`: out of room it would throw away what must stay.
    `oldest_event`: when the oldest of the pending events came (seconds since 1970), None where there is none.
    """

    holds: int
    pending_events: int
    dead_events: int
    memory: int
    memory_limit: int
    evicts: bool
    oldest_event: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Requests in flight, and what is held for them at most."""

    requests: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Nano-dollars this month: settled, and held for requests in flight."""

    spent: int
    held: int
