"""Which deployment answers: LiteLLM's Router chooses by order and weight, and remembers failures."""

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# LiteLLM reads these as it is imported: without the first it fetches its price list from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from litellm import Router
from litellm.router_utils.cooldown_handlers import _set_cooldown_deployments
from litellm.types.router import RouterRateLimitError

FAILURE_WINDOW_SECONDS = 60.0
# LiteLLM's strategies, and where its Router keeps what each must be told of the calls.
ROUTING_STRATEGIES = {
    "simple-shuffle": None,
    "least-busy": "leastbusy_logger",
    "latency-based-routing": "lowestlatency_logger",
}
# What each provider answers itself, by the names of apps.common.endpoints: its bytes are relayed, not translated.
_OPENAI = frozenset({"chat.completions", "completions", "embeddings"})
SPOKEN: dict[str, frozenset[str]] = {
    "hosted_vllm": _OPENAI | {"rerank"},
    "openai": _OPENAI,
    "llamafile": _OPENAI,
    "custom_openai": _OPENAI,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One place that serves a model group. Time limits in seconds; `order` lower is first."""

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
    continuous_usage_stats: bool = False
    priority_scheduling: bool = False
    """Its engine takes requests by their `priority`: vLLM with `--scheduling-policy priority`."""
    one_choice: bool = False
    """Its engine counts only the first choice of an answer: see `apart.py`."""

    def speaks(self, endpoint: str) -> bool:
        """Whether its engine answers this endpoint itself."""
        return endpoint in SPOKEN.get(self.provider, ())

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
    """Nothing can serve the model now. `retry_after`: seconds until a cooldown ends."""

    def __init__(self, model_group: str, retry_after: float) -> None:
        super().__init__(f"no deployment of {model_group} is available")
        self.retry_after = retry_after


class EngineRouter:
    """Chooses among deployments; told of failures, it leaves a failing one alone for a while."""

    def __init__(
        self,
        deployments: Iterable[Deployment],
        *,
        allowed_fails: int = 3,
        cooldown_time: float = 5,
        routing_strategy: str = "simple-shuffle",
    ) -> None:
        self._cooldown_time = cooldown_time
        self._last_failure: dict[str, float] = {}
        self._deployments = {deployment.id: deployment for deployment in deployments}
        self._groups: dict[str, list[Deployment]] = {}
        for deployment in self._deployments.values():
            self._groups.setdefault(deployment.model_group, []).append(deployment)
        self._router = Router(
            model_list=[deployment.litellm_entry() for deployment in self._deployments.values()],
            allowed_fails=allowed_fails,
            cooldown_time=cooldown_time,
            num_retries=0,
            routing_strategy=routing_strategy,
        )
        observer = ROUTING_STRATEGIES[routing_strategy]
        self._observer = getattr(self._router, observer) if observer else None

    async def pick(self, model_group: str, *, tried: Collection[str] = ()) -> Deployment:
        """The next deployment to try. Raises NoDeployment where all were tried or are cooling down."""
        untried = [d for d in self._groups.get(model_group, ()) if d.id not in tried]
        if not untried:
            raise NoDeployment(model_group, self._cooldown_time)
        if len(self._groups[model_group]) == 1 and not self._failed_lately(model_group):
            return untried[0]  # nothing to choose, and nothing to remember
        try:
            chosen = await self._router.async_get_available_deployment(model=model_group, request_kwargs={})
        except (RouterRateLimitError, litellm.BadRequestError) as error:
            raise NoDeployment(model_group, getattr(error, "cooldown_time", 0) or self._cooldown_time) from error
        deployment = self._deployments[chosen["model_info"]["id"]]
        # LiteLLM does not know what this request has tried; of the rest, the first by order takes over.
        return deployment if deployment.id not in tried else min(untried, key=lambda d: d.order)

    def began(self, deployment: Deployment) -> datetime:
        """To be called as a try begins; the answer is for `ended`, which must follow, once."""
        if self._observer is not None:
            self._observer.log_pre_api_call(deployment.upstream_model, [], _observed(deployment))
        return datetime.now(UTC)

    def ended(self, deployment: Deployment, began: datetime, *, well: bool) -> None:
        """Tells the strategy how a try went: how many are under way, and how long they take."""
        if self._observer is None:
            return
        log = self._observer.log_success_event if well else self._observer.log_failure_event
        log(_observed(deployment), None, began, datetime.now(UTC))

    def _failed_lately(self, model_group: str) -> bool:
        """Whether LiteLLM may have a failure of the group in mind: it counts them by the minute, then cools down."""
        failed = self._last_failure.get(model_group)
        return failed is not None and time.monotonic() - failed < FAILURE_WINDOW_SECONDS + self._cooldown_time

    def report_failure(self, deployment: Deployment, *, status: int, message: str) -> None:
        """Counts a failure: past `allowed_fails` a minute the deployment cools down, also where it is the only one."""
        self._last_failure[deployment.model_group] = time.monotonic()
        error = litellm.InternalServerError(
            message=message, model=deployment.upstream_model, llm_provider=deployment.provider
        )
        _set_cooldown_deployments(
            litellm_router_instance=self._router,
            original_exception=error,
            exception_status=status,
            deployment=deployment.id,
            time_to_cooldown=self._cooldown_time,
        )


def _observed(deployment: Deployment) -> dict[str, Any]:
    """A call in the form in which LiteLLM's strategies are told of it."""
    return {
        "stream": False,
        "litellm_params": {
            "metadata": {"model_group": deployment.model_group, "deployment": deployment.upstream_model},
            "model_info": {"id": deployment.id},
        },
    }
