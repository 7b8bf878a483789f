"""Tries deployments until one answers: the asked model's, then those it falls back to.

What is done about a failure depends on its kind:

- 429: the next deployment; the one that said so is left alone as long as it asked. With none left, the shortest of
  those waits where it is short, else it is the caller's to wait.
- 503, a full queue: the next deployment at once. A full engine is left alone for a moment.
- 500 and the like, a connection that fails: once more on the same deployment, then the next.
- silence past the time to the first token, an answer that is none: the next.
- what is wrong with the request itself: told to the caller; another deployment would say the same.
- a request that takes down the engine which reads it, twice: told to the caller, and refused for a while.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

from apps.catalog.contracts import Catalog
from apps.common import tracing
from apps.common.errors import ArtemisError, Invalid, LimitExceeded, Unavailable
from apps.gateway import detours, telemetry
from apps.gateway.contracts import Call
from apps.gateway.fitting import fitted, suits
from apps.gateway.metering import MalformedEventError, Meter, Wire
from apps.gateway.refusals import CONTEXT_TOO_LONG, is_callers_fault, refusal
from apps.gateway.slots import Slots
from apps.gateway.wires import WIRES
from inference.affinity import Prefix, prefix_of
from inference.apart import MOST_APART, open_apart
from inference.client import EngineClient, TimeLimits, Upstream, is_healthy
from inference.errors import (
    AnswerDiffers,
    EngineAsleep,
    EngineError,
    EngineGarbled,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
)
from inference.router import Deployment, EngineRouter, NoDeployment
from inference.translate import open_translated

if TYPE_CHECKING:
    from apps.common.tracing.inference import AttemptSpan

logger = logging.getLogger(__name__)
AFTER_OTHERS = 100  # vLLM takes lower numbers first; 0 is usual
MOST_TRIES = 6
MOST_WAITS = 2
MOST_HELD, HELD_STEP = 1.5, 0.1  # seconds that a caller is kept waiting for a circuit, and how often it looks
HOLD_STEP = 0.5
LONGEST_WAIT = 2.5  # seconds that a caller is kept waiting for an engine that is busy
FULL_SECONDS = 0.5  # for which an engine is left alone that says it is full, and not for how long
MOST_KILLS = 2
SEVERAL = frozenset({"chat.completions", "completions"})  # choices or prompts in one request
NEWER_ENDPOINTS = frozenset({"responses", "messages", "rerank"})
# What may go better the second time.
PASSING = frozenset({408, 409, 425, 500, 502, 504})
_encode = msgspec.json.Encoder().encode
_OUTCOMES: dict[type[EngineError], str] = {
    EngineRefused: "refused",
    EngineUnreachable: "unreachable",
    EngineTimeout: "timeout",
    EngineGarbled: "garbled",
    EngineAsleep: "asleep",
}


def nothing() -> None:
    pass


class DeadlyRequestError(Unavailable):
    """Two engines went down while they read this request; no third one gets it."""

    code = "request_quarantined"

    def __init__(self) -> None:
        super().__init__(
            "The engines that read this request went down. It is not sent to another; change it before you try again.",
            status=502,
        )


@dataclass(slots=True)
class Opened:
    """A deployment that has begun to answer. `first` is the beginning of its stream, or its whole body."""

    deployment: Deployment
    upstream: Upstream
    first: bytes
    router: EngineRouter
    began: datetime
    leave: Callable[[], None] = nothing
    span: "AttemptSpan | None" = None

    def ended(self, *, well: bool) -> None:
        """To be called once, when the answer has ended: the router learns from it."""
        self.router.ended(self.deployment, self.began, well=well)
        self.leave()
        if self.span is not None:
            self.span.ended(well=well)

    def broke(self) -> None:
        """The answer broke off: counts against the deployment like a refusal."""
        self.router.failed(self.deployment)


@dataclass(slots=True)
class Attempts:
    router: EngineRouter
    client: EngineClient
    catalog: Catalog
    call: Call
    payload: dict[str, Any]
    made: int = 0
    last_error: EngineError | None = None
    retry_after: float = 2.0
    until: float = inf
    """The moment (time.monotonic) at which the caller wants no answer any more."""
    slots: Slots | None = None
    """Wakes engines that share a GPU by turns; without it such an engine is asked as any other."""
    _gives_one: bool = False
    _waits: int = 0
    _held: float = 0.0
    _has_held: bool = False
    _kills: int = 0
    _failures: set[str] = field(default_factory=set)
    _prefix: Prefix | None = None

    def anew(self) -> "Attempts":
        """The same, of which none is made."""
        return Attempts(
            self.router, self.client, self.catalog, self.call, self.payload, until=self.until, slots=self.slots
        )

    async def open(self, meter: Meter, *, without: Collection[str] = ()) -> Opened:
        """The first deployment that answers, of those not in `without`.

        Raises ArtemisError where the request is at fault or none answers.
        """
        routing, name = self.catalog.routing, self.call.model.public_name
        self.router.retries.earn()
        try:
            return await self._search([name, *self._offered(routing.fallbacks.get(name, ()))], meter, without)
        except Invalid as error:
            longer = self._offered(routing.context_window_fallbacks.get(name, ()))
            if error.code != CONTEXT_TOO_LONG or not longer:
                raise
            return await self._search(longer, meter, without)

    def _offered(self, names: Iterable[str]) -> list[str]:
        """Of the models to fall back to, those that exist and are for this account."""
        found = (self.catalog.models.get(name) for name in names)
        mine = (None, self.call.key.account_id)
        return [model.public_name for model in found if model is not None and model.account_id in mine]

    async def _search(self, groups: list[str], meter: Meter, without: Collection[str]) -> Opened:
        tried: dict[str, set[str]] = {group: set(without) for group in groups}
        while True:
            # First where nobody waits, Claude included; only then into the shortest queue.
            for may_queue in (False, True):
                for group in groups:
                    if opened := await self._first_of(group, meter, tried[group], may_queue=may_queue):
                        detours.answered(self.call.model.public_name, opened.deployment, self.router, self._failures)
                        return opened
            if self._gives_one and not self.made:
                raise Invalid("n", f"{self.call.model.public_name} gives one answer a request; ask several times.")
            wait = self._wait_for_a_circuit(tried)
            if wait is None:
                wait = self._wait_worth_while(groups)
                tried = {group: set(without) for group in groups}
            if wait is None and not await self._has_started(groups[0]):
                raise self._exhausted()
            await asyncio.sleep(wait or 0)

    async def _first_of(self, group: str, meter: Meter, tried: set[str], *, may_queue: bool) -> Opened | None:
        already = len(tried)
        while (
            self.made < MOST_TRIES
            and time.monotonic() < self.until
            and len(tried) - already <= self.catalog.routing.num_retries
        ):
            prefix = self._prompt_prefix() if self.router.wants_prefix(group) else ()
            try:
                deployment = await self.router.pick(group, tried=tried, may_queue=may_queue, prefix=prefix)
            except NoDeployment as error:
                self.retry_after = max(1.0, error.retry_after)
                return None
            tried.add(deployment.id)
            if not suits(deployment, self.call, self.catalog):
                continue
            if self.call.choices > 1 and self.call.endpoint in SEVERAL and not deployment.speaks(self.call.endpoint):
                self._gives_one = True  # LiteLLM would leave the other choices out without a word
                continue
            opened = await self._try(deployment, meter)
            if opened is None and self._deserves_another(deployment):
                opened = await self._try_again(deployment, meter)
            if opened:
                return opened
        return None

    def _prompt_prefix(self) -> Prefix:
        if self._prefix is None:
            wire = self._wire
            self._prefix = prefix_of(_encode(self.payload.get(wire.prompt_field)))
        return self._prefix

    def _deserves_another(self, deployment: Deployment) -> bool:
        error = self.last_error
        passing = isinstance(error, EngineUnreachable) or (isinstance(error, EngineRefused) and error.status in PASSING)
        return passing and self.made < MOST_TRIES and self.router.is_closed(deployment) and self.router.retries.spend()

    async def _try_again(self, deployment: Deployment, meter: Meter) -> Opened | None:
        """Raises DeadlyRequestError where this request has taken down a second engine."""
        was_reading = isinstance(self.last_error, EngineUnreachable) and self.last_error.delivered
        await asyncio.sleep(random.uniform(0.02, 0.1))
        opened = await self._try(deployment, meter)
        error = self.last_error
        if opened is None and was_reading and isinstance(error, EngineUnreachable) and not error.delivered:
            self._kills += 1  # it read the request, and now nobody is there
            if self._kills >= MOST_KILLS:
                raise DeadlyRequestError
        return opened

    def _wait_for_a_circuit(self, tried: Mapping[str, Collection[str]]) -> float | None:
        """Seconds, where somebody who was not asked may be in a moment: one that is back, and being probed."""
        left = min(MOST_HELD - self._held, self.until - time.monotonic())
        waits = [self.router.soonest(group, tried=already) for group, already in tried.items()]
        soonest = min((wait for wait in waits if wait > 0), default=inf)
        if soonest > left or self.made >= MOST_TRIES:
            return None
        wait = min(soonest, HELD_STEP) * random.uniform(0.8, 1.0)
        self._held += wait
        return wait

    async def _has_started(self, group: str) -> bool:
        """Waits, once, for an engine that nobody could reach: where there is none without calls, this one starts it."""
        unreachable = self.last_error is None or isinstance(self.last_error, EngineUnreachable)
        if self._has_held or not unreachable or self.made >= MOST_TRIES:
            return False
        self._has_held = True
        held = [one for one in self.router.members(group) if one.hold_seconds]
        deadline = min(self.until, time.monotonic() + max((one.hold_seconds for one in held), default=0.0))
        while time.monotonic() < deadline:
            await asyncio.sleep(HOLD_STEP)
            if any(await asyncio.gather(*(is_healthy(self.client, one) for one in held))):
                return True
        return False

    def _wait_worth_while(self, groups: list[str]) -> float | None:
        """Seconds after which it makes sense to ask all again: only where an engine said that it is busy."""
        error = self.last_error
        if not isinstance(error, EngineRefused) or error.status not in (429, 503):
            return None
        if self._waits >= MOST_WAITS or self.made >= MOST_TRIES:
            return None
        soonest = min(self.router.soonest(group) for group in groups)
        wait: float = max(soonest, 0.1 * 2**self._waits) * random.uniform(1.0, 1.2)
        if wait > LONGEST_WAIT or time.monotonic() + wait > self.until:
            return None
        self._waits += 1
        return wait

    async def _try(self, deployment: Deployment, meter: Meter) -> Opened | None:
        self.made += 1
        if tracing.tracer is None:
            return await self._tried(deployment, meter)
        from apps.common.tracing.inference import AttemptSpan  # noqa: PLC0415 (only where tracing is on)

        span = AttemptSpan(
            telemetry.operation_of(self.call.endpoint),
            deployment.upstream_model,
            deployment=deployment.id,
            provider=deployment.provider,
            number=self.made,
        )
        with span.told():
            opened = await self._tried(deployment, meter)
        if opened is None:
            span.failed(self.last_error)
        else:
            opened.span = span
        return opened

    async def _tried(self, deployment: Deployment, meter: Meter) -> Opened | None:
        began = self.router.began(deployment)
        well, leave = False, nothing
        try:
            leave = await self._enter(deployment)
            upstream, first = await self._begin(deployment, meter)
            well = True
        except EngineRefused as error:
            if is_callers_fault(error):
                telemetry.attempted(deployment.id, deployment.provider, "caller_fault")
                raise refusal(error, self.call.endpoint) from error
            self._failed(deployment, error)
        except EngineError as error:
            self._failed(deployment, error)
        finally:
            if not well:
                self.router.ended(deployment, began, well=False)
                leave()
        if not well:
            return None
        self.router.answered(deployment)
        telemetry.attempted(deployment.id, deployment.provider, "answered")
        return Opened(deployment, upstream, first, self.router, began, leave)

    async def _enter(self, deployment: Deployment) -> Callable[[], None]:
        """What is to be called when the try, or its answer, has ended. Raises EngineAsleep."""
        slots, sleep = self.slots, deployment.sleep
        if slots is None or sleep is None:
            return nothing
        others = [one for one in self.router.deployments() if one.sleep and one.sleep.slot == sleep.slot]
        use = await slots.enter(deployment, sleep, others, self.until)
        return nothing if use is None else partial(slots.leave, use)

    async def _begin(self, deployment: Deployment, meter: Meter) -> tuple[Upstream, bytes]:
        upstream = await self._open_upstream(deployment)
        try:
            if self.call.stream:
                first = await upstream.read()
                if not first:
                    raise EngineGarbled("the engine ended its stream before it began")
                if meter.is_refusal(first):
                    raise EngineGarbled("the engine began its stream with an error")
            else:
                first = await upstream.body()
                meter.read_body(first)
            return upstream, first
        except MalformedEventError as error:
            await upstream.close()
            raise EngineGarbled(str(error)) from error
        except BaseException:
            await upstream.close()
            raise

    async def _open_upstream(self, deployment: Deployment) -> Upstream:
        call, payload, path, limits = self.call, self._payload(deployment), self._wire.path, self._limits()
        if not deployment.speaks(call.endpoint):
            return await open_translated(deployment, path, payload, limits=limits)
        if deployment.one_choice and (call.choices > 1 or (call.stream and call.endpoint == "completions")):
            _check_apart(call)
            return await open_apart(self.client, deployment, path, payload, stream=call.stream, limits=limits)
        return await self.client.open(deployment, path, _encode(payload), stream=call.stream, limits=limits)

    def _limits(self) -> TimeLimits:
        limits = self.call.limits
        return limits if self.until == inf else replace(limits, total=max(0.01, self.until - time.monotonic()))

    @property
    def _wire(self) -> Wire:
        return WIRES[self.call.endpoint]

    def _payload(self, deployment: Deployment) -> dict[str, Any]:
        """The request as this deployment gets it; without a model's name, as LiteLLM gets it."""
        model = deployment.upstream_model if deployment.speaks(self.call.endpoint) else None
        running = deployment.continuous_usage_stats
        payload = dict(fitted(self.payload, deployment, self.call, self.catalog))
        if deployment.priority_scheduling and self.call.service_tier == "batch":
            payload["priority"] = AFTER_OTHERS
        return self._wire.payload(payload, model=model, stream=self.call.stream, running=running)

    def _failed(self, deployment: Deployment, error: EngineError) -> None:
        self.last_error = error
        self._failures.add(deployment.id)
        telemetry.attempted(deployment.id, deployment.provider, _OUTCOMES.get(type(error), "failed"))
        logger.warning("%s: %s failed: %s", self.call.request_id, deployment.id, error)
        if isinstance(error, EngineRefused) and error.status in (429, 503, 529):
            self.router.leave_alone(deployment, FULL_SECONDS if error.retry_after is None else error.retry_after)
        elif not isinstance(error, (AnswerDiffers, EngineAsleep)) and not self._is_not_served(error):
            self.router.failed(deployment)

    def _is_not_served(self, error: EngineError) -> bool:
        """An older engine lacks a dialect, and is well otherwise."""
        is_newer = self.call.endpoint in NEWER_ENDPOINTS
        return is_newer and isinstance(error, EngineRefused) and error.status in (404, 405, 501)

    def _exhausted(self) -> ArtemisError:
        error = self.last_error
        model = self.call.model.public_name
        if time.monotonic() >= self.until:
            message = f"No engine of {model} answered within the {self.call.limits.total:g} seconds that you allow."
            return Unavailable(message, code="timeout", status=504, retry_after=self.retry_after)
        if isinstance(error, EngineRefused) and error.status == 429:
            wait = error.retry_after or self.retry_after
            return LimitExceeded(f"All engines of {model} are busy; try again shortly.", retry_after=wait)
        return Unavailable(
            f"No engine of {model} can answer at the moment; try again shortly.",
            code="model_unavailable",
            retry_after=self.retry_after,
        )


def _check_apart(call: Call) -> None:
    """Each choice is a connection of its own to the engine."""
    if call.choices > MOST_APART:
        raise Invalid(
            "prompt",  # n alone stays below it
            f"{call.model.public_name} gives at most {MOST_APART} choices a request, those of all prompts together, "
            f"and this one asks for {call.choices}: ask for fewer, or in several requests.",
        )
