"""Which deployment answers: circuits and live load say who may, the model's strategy chooses, mostly LiteLLM's."""

import logging
import os
import random
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# LiteLLM reads these as it is imported: without the first it fetches its price list from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from litellm import Router
from litellm.types.router import RouterRateLimitError

from inference.affinity import Prefix, PrefixTable
from inference.circuit import Circuit, RetryBudget
from inference.load import LoadBoard
from inference.sleep import Sleep

for _name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
    logging.getLogger(_name).handlers.clear()  # its own, beside those of whoever runs us: it would say all twice

# What each provider answers itself, by the names of apps.common.endpoints: its bytes are relayed, not translated.
_OPENAI = frozenset({"chat.completions", "completions", "embeddings"})
_ANTHROPIC, _RESPONSES = frozenset({"messages"}), frozenset({"responses"})
SPOKEN: dict[str, frozenset[str]] = {
    "hosted_vllm": _OPENAI | _ANTHROPIC | _RESPONSES | {"rerank"},
    "anthropic": _ANTHROPIC,
    "openai": _OPENAI | _RESPONSES,
    "llamafile": _OPENAI,
    "custom_openai": _OPENAI,
}
PREFIX_AWARE = "prefix-aware"
LATENCY = "latency-based-routing"
LITELLM_STRATEGIES = ("simple-shuffle", LATENCY)  # which it chooses by; the others need what only we know
STRATEGIES = (*LITELLM_STRATEGIES, "least-busy", "cost-based-routing", PREFIX_AWARE, "primary-then-spill")
MOST_WAITING, MOST_CACHED = 16, 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One place that serves a model group. Time limits in seconds; `order` lower is first.

    `first_token_timeout` is the silence allowed before a stream's first byte, `stream_timeout` between bytes.
    `max_waiting`, `max_kv_cache_usage`: with more requests in its queue, or more of its KV cache (0 to 1) in use, it is
    full, and the next one is asked.
    `cost`: US dollars for a token in and one out; nothing for an engine of our own.
    """

    id: str
    model_group: str
    provider: str
    upstream_model: str
    api_base: str
    api_key: str = field(repr=False)
    order: int = 1
    weight: int = 1
    rpm: int | None = None
    tpm: int | None = None
    timeout: float = 600
    stream_timeout: float = 60
    first_token_timeout: float | None = None
    connect_timeout: float = 5
    max_waiting: int = MOST_WAITING
    max_kv_cache_usage: float = MOST_CACHED
    cost: float = 0.0
    prefill: str = ""
    """How it continues an answer that was begun elsewhere: "vllm" (continue_final_message), "assistant", or not."""
    continuous_usage_stats: bool = False
    priority_scheduling: bool = False
    """Its engine takes requests by their `priority`: vLLM with `--scheduling-policy priority`."""
    one_choice: bool = False
    """Its engine counts only the first choice of an answer: see `apart.py`."""
    unsupported: frozenset[str] = frozenset()
    """Request fields that its engine passes over in silence."""
    hold_seconds: float = 0.0
    """How long a call waits for an engine that is not there, since it may be being started for it."""
    sleep: Sleep | None = None
    """How it shares a GPU by turns; it must be woken before it is asked."""
    endpoints: frozenset[str] | None = None
    """What its engine answers itself, where that is not what its provider does (see SPOKEN)."""

    def is_same_place(self, other: "Deployment") -> bool:
        """Whether what is known of the one holds for the other: not at a new address, nor with a new key."""

        def place(one: "Deployment") -> tuple[str, ...]:
            return one.id, one.provider, one.upstream_model, one.api_base, one.api_key

        return place(self) == place(other)

    def route(self, path: str) -> str:
        """The address of one of its engine's own routes, such as /metrics, which stand beside /v1."""
        return self.api_base.removesuffix("/v1") + path

    def speaks(self, endpoint: str) -> bool:
        """Whether its engine answers this endpoint itself.

        Not of responses where it is llama.cpp: its events lack their places, and it does not read `text.format`.
        """
        if self.one_choice and endpoint == "responses":
            return False
        return endpoint in (SPOKEN.get(self.provider, ()) if self.endpoints is None else self.endpoints)

    def sends_tokens(self, endpoint: str) -> bool:
        """Whether each chunk of its streams is one token, as engines send them. Claude's are as long as it likes."""
        return self.speaks(endpoint) and self.provider != "anthropic"

    def litellm_entry(self) -> dict[str, Any]:
        """Its member of LiteLLM's `model_list`."""
        params: dict[str, Any] = {
            "model": f"{self.provider}/{self.upstream_model}",
            "api_key": self.api_key or "none",
            "order": self.order,
            "weight": self.weight,
            "timeout": self.timeout,
            "stream_timeout": self.stream_timeout,
        }
        optional = {"api_base": self.api_base, "rpm": self.rpm, "tpm": self.tpm}
        params.update({name: value for name, value in optional.items() if value})
        return {"model_name": self.model_group, "litellm_params": params, "model_info": {"id": self.id}}


class NoDeployment(Exception):
    """Nothing can serve the model now. `retry_after`: seconds until something may."""

    def __init__(self, model_group: str, retry_after: float) -> None:
        super().__init__(f"no deployment of {model_group} is available")
        self.retry_after = retry_after


class EngineRouter:
    """Chooses among deployments. A pick that is tried must be `began` and, once, `ended`."""

    def __init__(
        self,
        deployments: Iterable[Deployment],
        *,
        allowed_fails: int = 3,
        cooldown_time: float = 5,
        routing_strategy: str = "simple-shuffle",
        strategies: Mapping[str, str] | None = None,
        board: LoadBoard | None = None,
        before: "EngineRouter | None" = None,
    ) -> None:
        """`strategies`: of model groups that have one of their own.

        `before`: the router whose place this one takes. What it knows of deployments that stay where they were is
        shared with it, so that requests which end there are learned from here. Its LiteLLM Routers take a while to
        make: in a thread, while `before` goes on.
        """
        self._default = routing_strategy
        self._strategies = dict(strategies or {})
        self._deployments = {deployment.id: deployment for deployment in deployments}
        self._groups: dict[str, list[Deployment]] = {}
        for deployment in self._deployments.values():
            self._groups.setdefault(deployment.model_group, []).append(deployment)
        self._circuits = {
            name: Circuit(allowed_fails=allowed_fails, cooldown_time=cooldown_time) for name in self._deployments
        }
        self._board = board or LoadBoard()
        self._prefixes: PrefixTable = PrefixTable() if before is None else before._prefixes
        self.retries: RetryBudget = RetryBudget() if before is None else before.retries
        self._entries = {name: self._litellm_entries(name) for name in LITELLM_STRATEGIES}
        self._litellm = {name: self._litellm_router(name, before) for name in LITELLM_STRATEGIES}
        if before is not None:
            for kept in self._kept(before):
                self._circuits[kept] = before._circuits[kept]
                self._circuits[kept].follow(allowed_fails=allowed_fails, cooldown_time=cooldown_time)

    def deployments(self) -> Collection[Deployment]:
        return self._deployments.values()

    def wants_prefix(self, model_group: str) -> bool:
        """Whether `pick` makes use of the prompt."""
        return self._strategy(model_group) == PREFIX_AWARE and len(self._groups.get(model_group, ())) > 1

    async def pick(
        self, model_group: str, *, tried: Collection[str] = (), may_queue: bool = True, prefix: Prefix = ()
    ) -> Deployment:
        """The next deployment to try. Raises NoDeployment where all were tried, are left alone or, without `may_queue`,
        are full."""
        group = self._groups.get(model_group, ())
        candidates = [one for one in group if one.id not in tried and self._circuits[one.id].allows()]
        if not candidates:
            raise NoDeployment(model_group, self.soonest(model_group))
        free = [one for one in candidates if not self._board.is_full(one.id, one.max_waiting, one.max_kv_cache_usage)]
        if not free and not may_queue:
            raise NoDeployment(model_group, 1.0)
        candidates = [one for one in free if not (one.sleep and self._board.is_asleep(one.id))] or free or candidates
        first = min(one.order for one in candidates)
        tier = [one for one in candidates if one.order == first]
        chosen = tier[0] if len(tier) == 1 else await self._choose(model_group, tier, prefix)
        if prefix:
            self._prefixes.note(prefix, chosen.id)
        return chosen

    def soonest(self, model_group: str, *, tried: Collection[str] = ()) -> float:
        """Seconds until a deployment of the group may be asked, of those that were not `tried`; 0 where all were."""
        group = self._groups.get(model_group, ())
        return min((self._circuits[one.id].seconds_left for one in group if one.id not in tried), default=0.0)

    def members(self, model_group: str) -> Collection[Deployment]:
        return self._groups.get(model_group, ())

    def are_back(self, names: Iterable[str]) -> None:
        """Engines that were away tell of themselves again: whoever asks next finds out."""
        for name in names:
            if name in self._circuits:
                self._circuits[name].look_again()

    def began(self, deployment: Deployment) -> datetime:
        """To be called as a try begins; the answer is for `ended`."""
        self._circuits[deployment.id].began()
        self._board.began(deployment.id)
        return datetime.now(UTC)

    def answered(self, deployment: Deployment) -> None:
        """Its answer has begun: it lives."""
        self._circuits[deployment.id].succeeded()

    def ended(self, deployment: Deployment, began: datetime, *, well: bool) -> None:
        """A try is over, however it went; a failure is told by `failed` as well."""
        self._board.ended(deployment.id)
        self._circuits[deployment.id].released()
        router = self._litellm[LATENCY]
        if router is not None and self._strategy(deployment.model_group) == LATENCY:
            observer = router.lowestlatency_logger
            log = observer.log_success_event if well else observer.log_failure_event
            log(_observed(deployment), None, began, datetime.now(UTC))

    def failed(self, deployment: Deployment) -> None:
        """Counts a failure: with too many a minute the circuit opens, also of a lone deployment."""
        self._circuits[deployment.id].failed()

    def leave_alone(self, deployment: Deployment, seconds: float) -> None:
        """For a deployment that says itself that it is full."""
        self._circuits[deployment.id].leave_alone(seconds)

    def is_closed(self, deployment: Deployment) -> bool:
        """Whether its circuit is."""
        return self._circuits[deployment.id].is_closed

    def _strategy(self, model_group: str) -> str:
        return self._strategies.get(model_group, self._default)

    async def _choose(self, model_group: str, tier: list[Deployment], prefix: Prefix) -> Deployment:
        strategy = self._strategy(model_group)
        if strategy == "least-busy":
            return min(_shuffled(tier), key=lambda one: self._board.requests(one.id) / max(one.weight, 1))
        if strategy == PREFIX_AWARE:
            best = self._prefixes.best(prefix, [(one.id, self._board.requests(one.id)) for one in tier])
            return self._deployments[best]
        if strategy == "cost-based-routing":
            return min(_shuffled(tier), key=lambda one: (one.cost, self._board.requests(one.id)))
        if strategy == "primary-then-spill":
            return tier[0]
        return await self._ask_litellm(strategy, model_group, tier)

    def _kept(self, before: "EngineRouter") -> list[str]:
        """The deployments that are where `before` had them."""
        known = before._deployments
        return [name for name, one in self._deployments.items() if name in known and one.is_same_place(known[name])]

    def _litellm_entries(self, strategy: str) -> list[dict[str, Any]]:
        """Of the groups that have something to choose by this strategy."""
        groups = [name for name, group in self._groups.items() if self._strategy(name) == strategy and len(group) > 1]
        return [one.litellm_entry() for name in groups for one in self._groups[name]]

    def _litellm_router(self, strategy: str, before: "EngineRouter | None") -> Router | None:
        """LiteLLM's Router of this strategy; the one before where it would be the same."""
        entries = self._entries[strategy]
        if before is not None and before._entries[strategy] == entries:
            return before._litellm[strategy]
        if not entries:
            return None
        # Circuits stand in front of it: theirs, unlike its cooldowns, let one request probe before all the others.
        # LiteLLM writes into what it is given.
        router = Router(model_list=deepcopy(entries), routing_strategy=strategy, num_retries=0, disable_cooldowns=True)
        # It learns from us alone. LiteLLM's lists would keep it, and tell it of calls that it did not route, for ever.
        router.discard()
        if strategy == LATENCY:
            manager, observer = litellm.logging_callback_manager, router.lowestlatency_logger
            manager.remove_callback_from_list_by_object(litellm.callbacks, observer, require_self=False)
        if strategy == LATENCY and before is not None and (known := before._litellm[LATENCY]) is not None:
            self._hand_on_latencies(known, router, frozenset(self._kept(before)))
        return router

    def _hand_on_latencies(self, known: Router, router: Router, kept: frozenset[str]) -> None:
        for group in self._groups:
            latencies = known.cache.get_cache(key=f"{group}_map") or {}
            if still := {name: value for name, value in latencies.items() if name in kept}:
                router.cache.set_cache(key=f"{group}_map", value=still)

    async def _ask_litellm(self, strategy: str, model_group: str, tier: list[Deployment]) -> Deployment:
        router = self._litellm[strategy]
        if router is None:
            raise RuntimeError(f"no group was said to use {strategy}")
        allowed = {one.id for one in tier}
        excluded = [one.id for one in self._groups[model_group] if one.id not in allowed]
        asked: dict[str, Any] = {"_excluded_deployment_ids": excluded} if excluded else {}
        try:
            chosen = await router.async_get_available_deployment(model=model_group, request_kwargs=asked)
        except (RouterRateLimitError, litellm.BadRequestError):  # its own limits of requests a minute are reached
            return random.choices(tier, [max(one.weight, 1) for one in tier])[0]
        return self._deployments[chosen["model_info"]["id"]]


def _shuffled(tier: list[Deployment]) -> list[Deployment]:
    """So that the first of equals is not always the same."""
    return random.sample(tier, len(tier))


def _observed(deployment: Deployment) -> dict[str, Any]:
    """A call in the form in which LiteLLM's strategies are told of it."""
    return {
        "stream": False,
        "litellm_params": {
            "metadata": {"model_group": deployment.model_group, "deployment": deployment.upstream_model},
            "model_info": {"id": deployment.id},
        },
    }
