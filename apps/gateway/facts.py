"""What a gateway keeps in memory: keys by the hash of their secret, and the catalog with its router."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from apps.catalog import selectors as catalog_selectors
from apps.catalog.contracts import Catalog, DeploymentFacts
from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.keys import selectors as key_selectors
from apps.keys.contracts import KeyFacts
from inference.load import LoadBoard
from inference.prices import known_model
from inference.router import MOST_CACHED, MOST_WAITING, Deployment, EngineRouter
from inference.sleep import Sleep, sleep_of

FRESH_SECONDS = 60.0
ABSENT_FRESH_SECONDS = 10.0
MOST_KEYS = 20_000
Value = TypeVar("Value")


class SingleFlight(Generic[Value]):
    """Lets many who ask for the same thing at once wait for one read of it."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[Value]] = {}

    async def do(self, name: str, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(read())
            flight.add_done_callback(lambda _: self._flights.pop(name, None))
        return await asyncio.shield(flight)


class KeyFactsCache:
    """Keys by the SHA-256 of their secret. Also remembers, for a shorter while, that there is no such key."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[KeyFacts | None, float]] = OrderedDict()
        self._flights: SingleFlight[KeyFacts | None] = SingleFlight()

    async def get(self, secret_hash: str, *, at_most: float = FRESH_SECONDS) -> KeyFacts | None:
        """The key as it was at most so many seconds ago."""
        entry = self._entries.get(secret_hash)
        if entry and time.monotonic() - entry[1] < (at_most if entry[0] else min(at_most, ABSENT_FRESH_SECONDS)):
            return entry[0]
        try:
            return await self.read(secret_hash)
        except Unavailable:
            if entry and entry[0]:  # PostgreSQL is away: a key that was good goes on, Redis still knows its revision
                return entry[0]
            raise

    async def read(self, secret_hash: str, *, alone: bool = False) -> KeyFacts | None:
        """Reads the key from PostgreSQL, whatever is held of it; `alone`: not by joining a read that has begun."""

        async def read() -> KeyFacts | None:
            return await in_thread(lambda: key_selectors.facts_of_secret(secret_hash=secret_hash))

        facts = await (read() if alone else self._flights.do(secret_hash, read))
        self._entries[secret_hash] = (facts, time.monotonic())
        self._entries.move_to_end(secret_hash)
        if len(self._entries) > MOST_KEYS:
            self._entries.popitem(last=False)
        return facts


@dataclass(frozen=True, slots=True)
class Offer:
    """A catalog and the router made from it; swapped whole when the catalog changes."""

    catalog: Catalog
    router: EngineRouter
    read_at: float


def router_of(catalog: Catalog, board: LoadBoard, before: EngineRouter | None = None) -> EngineRouter:
    """A catalog's router, with what the one before knows of the same deployments."""
    routing = catalog.routing
    return EngineRouter(
        (deployment_of(model.public_name, facts) for model in catalog.models.values() for facts in model.deployments),
        allowed_fails=routing.allowed_fails,
        cooldown_time=routing.cooldown_time,
        routing_strategy=routing.routing_strategy,
        strategies={
            model.public_name: strategy
            for model in catalog.models.values()
            for facts in model.deployments
            if (strategy := facts.model_info.get("routing_strategy"))
        },
        board=board,
        before=before,
    )


def deployment_of(model_group: str, facts: DeploymentFacts) -> Deployment:
    info = facts.model_info
    listed = known_model(facts.provider, facts.upstream_model)
    return Deployment(
        id=facts.name,
        model_group=model_group,
        provider=facts.provider,
        upstream_model=facts.upstream_model,
        api_base=facts.api_base,
        api_key=facts.api_key,
        order=facts.order,
        weight=facts.weight,
        rpm=facts.rpm,
        tpm=facts.tpm,
        timeout=facts.timeout,
        stream_timeout=facts.stream_timeout,
        first_token_timeout=info.get("first_token_timeout"),
        connect_timeout=info.get("connect_timeout", 5.0),
        max_waiting=info.get("max_waiting", MOST_WAITING),
        max_kv_cache_usage=info.get("max_kv_cache_usage", MOST_CACHED),
        cost=float(listed.get("input_cost_per_token") or 0) + float(listed.get("output_cost_per_token") or 0),
        prefill=prefill_of(facts, listed),
        continuous_usage_stats=bool(info.get("continuous_usage_stats")),
        priority_scheduling=bool(info.get("priority_scheduling")),
        one_choice=bool(info.get("one_choice")),
        hold_seconds=info.get("hold_seconds", 0.0),
        sleep=_sleep(info.get("sleep")),
        endpoints=_endpoints(info.get("endpoints")),
        unsupported=catalog_selectors.unsupported_by(facts),
    )


def prefill_of(facts: DeploymentFacts, listed: Mapping[str, Any]) -> str:
    """How the deployment goes on with an answer that was begun elsewhere, if it can."""
    if facts.provider == "hosted_vllm":
        # llama.cpp, which has `one_choice`, gives the beginning back as well.
        return "" if facts.model_info.get("one_choice") else "vllm"
    can = facts.model_info.get("supports_assistant_prefill", listed.get("supports_assistant_prefill"))
    return "assistant" if can else ""


def _sleep(given: Any) -> Sleep | None:
    """None for what is none: staff edit a deployment's facts by hand."""
    try:
        return sleep_of(given)
    except ValueError:
        return None


def _endpoints(named: Any) -> frozenset[str] | None:
    """None for what is no list: staff edit a deployment's facts by hand."""
    return frozenset(map(str, named)) if isinstance(named, list) else None


class OfferCache:
    def __init__(self, board: LoadBoard) -> None:
        self._board = board
        self._offer: Offer | None = None
        self._flights: SingleFlight[Offer] = SingleFlight()

    @property
    def known(self) -> Offer | None:
        """The last one that was read."""
        return self._offer

    async def get(self) -> Offer:
        offer = self._offer
        if offer and time.monotonic() - offer.read_at < FRESH_SECONDS:
            return offer
        try:
            return await self.read()
        except Unavailable:
            if offer:
                return offer
            raise

    async def read(self, *, alone: bool = False) -> Offer:
        """Reads the catalog from PostgreSQL; keeps the router where nothing changed.

        Who has been admitted goes on with the offer that admitted it. `alone`: not by joining a read that has begun.
        """
        return await (self._read() if alone else self._flights.do("catalog", self._read))

    async def _read(self) -> Offer:
        catalog = await in_thread(catalog_selectors.catalog)
        old = self._offer
        if old and old.catalog == catalog:
            self._offer = replace(old, read_at=time.monotonic())
        else:
            before = old.router if old else None
            router = await asyncio.to_thread(router_of, catalog, self._board, before)
            self._offer = Offer(catalog, router, time.monotonic())
        return self._offer
