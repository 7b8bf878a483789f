"""What was earned at each place that answers, against its cost: a provider's by the token, a GPU's by the hour."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.catalog.contracts import DeploymentCost, EngineUptime
from apps.common.money import token_cost
from apps.usage.contracts import DeploymentUse

HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRow:
    """`cost` None: not known, and `why` says why not; `is_own`: it costs by the hour, and not by what was used."""

    place: str
    requests: int
    tokens: int
    revenue: int
    cost: int | None
    is_own: bool
    why: str

    @property
    def margin(self) -> int | None:
        return None if self.cost is None else self.revenue - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    engine: str
    serves: str
    hours: str
    cost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    rows: list[MarginRow]
    engines: list[EngineRow]
    provider_revenue: int
    provider_cost: int
    own_revenue: int
    engine_cost: int | None

    @property
    def provider_margin(self) -> int:
        """Of what has a known cost."""
        return self.provider_revenue - self.provider_cost

    @property
    def own_margin(self) -> int | None:
        return None if self.engine_cost is None else self.own_revenue - self.engine_cost

    @property
    def unknown_revenue(self) -> int:
        return sum(row.revenue for row in self.rows if row.cost is None and not row.is_own)


def margins(
    uses: Iterable[DeploymentUse],
    costs: Mapping[str, DeploymentCost],
    uptimes: Iterable[EngineUptime],
    *,
    gpu_hour: int | None,
) -> Margins:
    """`gpu_hour`: nano-dollars, None where nobody has said it. Each engine counts as one GPU."""
    rows = [_row(use, costs) for use in uses]
    engines = [_engine(uptime, gpu_hour) for uptime in uptimes]
    known = [(row.revenue, row.cost) for row in rows if row.cost is not None]
    return Margins(
        rows=rows,
        engines=engines,
        provider_revenue=sum(revenue for revenue, _ in known),
        provider_cost=sum(cost for _, cost in known),
        own_revenue=sum(row.revenue for row in rows if row.is_own),
        engine_cost=None if gpu_hour is None or not engines else sum(row.cost or 0 for row in engines),
    )


def _row(use: DeploymentUse, costs: Mapping[str, DeploymentCost]) -> MarginRow:
    cost, is_own, why = _cost(use, costs)
    return MarginRow(
        place=use.deployment,
        requests=use.requests,
        tokens=use.input_tokens + use.output_tokens,
        revenue=use.cost,
        cost=cost,
        is_own=is_own,
        why=why,
    )


def _cost(use: DeploymentUse, costs: Mapping[str, DeploymentCost]) -> tuple[int | None, bool, str]:
    """Of answers that two places gave together the dearer one's price for all of it: at most that is what they cost."""
    names = use.deployment.split("+")
    places = [costs[name] for name in names if name in costs]
    if len(places) < len(names):
        return None, False, "no longer in the catalog: its cost is not known"
    if all(place.is_own for place in places):
        return None, True, "an engine of our own: see its hours"
    external = [place for place in places if not place.is_own]
    prices = [place.price for place in external if place.price is not None]
    if len(prices) < len(external):
        unpriced = next(place for place in external if place.price is None)
        return None, False, f"LiteLLM's list has no price of {unpriced.provider_model}"
    fresh = use.input_tokens - use.cached_input_tokens
    cost = max(
        token_cost(
            (fresh, price.input), (use.cached_input_tokens, price.cached_input), (use.output_tokens, price.output)
        )
        for price in prices
    )
    return cost, False, "at most: it went on there after another place had begun" if len(names) > 1 else ""


def _engine(uptime: EngineUptime, gpu_hour: int | None) -> EngineRow:
    return EngineRow(
        engine=uptime.engine,
        serves=", ".join(uptime.deployments),
        hours=f"{uptime.seconds / HOUR:,.1f}",
        cost=None if gpu_hour is None else uptime.seconds * gpu_hour // HOUR,
    )
