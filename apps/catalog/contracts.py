"""What other rooms see of the models on offer. Prices in nano-dollars per million tokens."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from apps.common.limits import RateLimits

NO_LIMITS = RateLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    version_id: int
    valid_from: datetime
    input: int
    cached_input: int
    output: int
    reasoning: int | None = None
    search: int = 0

    @property
    def of_reasoning(self) -> int:
        """Thoughts are output: without a price of their own they have its."""
        return self.output if self.reasoning is None else self.reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """One place that serves a model. `api_key` is the secret itself, only ever handed to the router."""

    name: str
    provider: str
    upstream_model: str
    api_base: str
    api_key: str = field(repr=False)
    order: int
    weight: int
    rpm: int | None
    tpm: int | None
    timeout: float
    stream_timeout: float
    model_info: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    public_name: str
    kind: str
    description: str
    owned_by: str
    account_id: int | None
    capabilities: tuple[str, ...]
    extensions: frozenset[str]
    context_length: int
    max_output_tokens: int
    dimensions: int | None
    created_at: datetime
    prices: tuple[Price, ...]  # newest first
    deployments: tuple[DeploymentFacts, ...]
    limits: RateLimits = NO_LIMITS
    unsupported: frozenset[str] = frozenset()
    """Request fields that the engines of all its deployments pass over in silence."""

    def price_at(self, moment: datetime) -> Price | None:
        return next((price for price in self.prices if price.valid_from <= moment), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFacts:
    fallbacks: dict[str, list[str]]
    context_window_fallbacks: dict[str, list[str]]
    num_retries: int
    allowed_fails: int
    cooldown_time: float
    routing_strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything on offer at one version. A gateway holds one and swaps it whole."""

    version: int
    models: dict[str, ModelFacts]
    routing: RoutingFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCount:
    """What an engine counted of tokens between two moments, without a restart; `goes_on`: from the day before."""

    engine: str
    deployments: tuple[str, ...]
    day: date
    from_at: datetime
    until_at: datetime
    goes_on: bool
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPrice:
    """What a provider charges us, by LiteLLM's list."""

    input: int
    cached_input: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCost:
    """What a place costs us: `is_own`, an engine of ours that costs by the hour; else `price`, where it is known."""

    name: str
    provider_model: str
    is_own: bool
    price: ProviderPrice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUptime:
    """For how long an engine is known to have run: it was looked at at the beginning and the end of that."""

    engine: str
    deployments: tuple[str, ...]
    seconds: int
