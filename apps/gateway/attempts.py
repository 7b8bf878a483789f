"""Tries deployments until one answers: the asked model's, then those it falls back to."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from apps.catalog.contracts import Catalog
from apps.common.errors import ArtemisError, Invalid, LimitExceeded, Unavailable
from apps.gateway import telemetry
from apps.gateway.contracts import Call
from apps.gateway.metering import MalformedEventError, Meter, Wire
from apps.gateway.wires import WIRES
from inference.apart import MOST_APART, open_apart
from inference.client import EngineClient, Upstream
from inference.errors import EngineError, EngineGarbled, EngineRefused, EngineTimeout, EngineUnreachable
from inference.router import Deployment, EngineRouter, NoDeployment
from inference.translate import open_translated

logger = logging.getLogger(__name__)
AFTER_OTHERS = 100  # vLLM takes lower numbers first; 0 is usual
CONTEXT_TOO_LONG = "context_length_exceeded"
# What another deployment would refuse in the same way.
CALLER_FAULTS = frozenset({400, 413, 422})
# llama.cpp says so, with a 500, of an image for a model that sees none.
_NOT_SUPPORTED = re.compile(rb"\b(?:image|audio|video) input is not supported")
_PRIVATE = re.compile(
    r"https?://\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|0x[0-9a-fA-F]+|(?<!\w)/[\w.\-]+(?:/[\w.\-]+)+"
)
_encode = msgspec.json.Encoder().encode
_OUTCOMES: dict[type[EngineError], str] = {
    EngineRefused: "refused",
    EngineUnreachable: "unreachable",
    EngineTimeout: "timeout",
    EngineGarbled: "garbled",
}


@dataclass(slots=True)
class Opened:
    """A deployment that has begun to answer. `first` is the beginning of its stream, or its whole body."""

    deployment: Deployment
    upstream: Upstream
    first: bytes
    router: EngineRouter
    began: datetime

    def ended(self, *, well: bool) -> None:
        """To be called once, when the answer has ended: the router learns from it."""
        self.router.ended(self.deployment, self.began, well=well)

    def broke(self, error: Exception) -> None:
        """The answer broke off: counts against the deployment like a refusal."""
        self.router.report_failure(self.deployment, status=EngineError.status, message=str(error))


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

    async def open(self, meter: Meter) -> Opened:
        """The first deployment that answers. Raises ArtemisError where the request is at fault or none answers."""
        routing, name = self.catalog.routing, self.call.model.public_name
        try:
            return await self._first_of([name, *self._offered(routing.fallbacks.get(name, ()))], meter)
        except Invalid as error:
            longer = self._offered(routing.context_window_fallbacks.get(name, ()))
            if error.code != CONTEXT_TOO_LONG or not longer:
                raise
            return await self._first_of(longer, meter)

    def _offered(self, names: Iterable[str]) -> list[str]:
        """Of the models to fall back to, those that exist and are for this account."""
        found = (self.catalog.models.get(name) for name in names)
        mine = (None, self.call.key.account_id)
        return [model.public_name for model in found if model is not None and model.account_id in mine]

    async def _first_of(self, groups: Iterable[str], meter: Meter) -> Opened:
        for group in groups:
            tried: set[str] = set()
            while len(tried) <= self.catalog.routing.num_retries:
                try:
                    deployment = await self.router.pick(group, tried=tried)
                except NoDeployment as error:
                    self.retry_after = max(1.0, error.retry_after)
                    break
                tried.add(deployment.id)
                opened = await self._try(deployment, meter)
                if opened:
                    return opened
        raise self._exhausted()

    async def _try(self, deployment: Deployment, meter: Meter) -> Opened | None:
        self.made += 1
        began = self.router.began(deployment)
        well = False
        try:
            upstream, first = await self._begin(deployment, meter)
            well = True
        except EngineRefused as error:
            if error.status in CALLER_FAULTS or _NOT_SUPPORTED.search(error.body):
                telemetry.attempted(deployment.id, deployment.provider, "caller_fault")
                raise _caller_fault(error, self.call) from error
            self._failed(deployment, error)
        except EngineError as error:
            self._failed(deployment, error)
        finally:
            if not well:
                self.router.ended(deployment, began, well=False)
        if not well:
            return None
        telemetry.attempted(deployment.id, deployment.provider, "answered")
        return Opened(deployment, upstream, first, self.router, began)

    async def _begin(self, deployment: Deployment, meter: Meter) -> tuple[Upstream, bytes]:
        call = self.call
        if deployment.speaks(call.endpoint):
            upstream = await self._open_native(deployment)
        else:
            upstream = await open_translated(deployment, self._wire.path, self._payload(None))
        try:
            if call.stream:
                first = await upstream.read()
                if not first:
                    raise EngineGarbled("the engine ended its stream before it began")
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

    async def _open_native(self, deployment: Deployment) -> Upstream:
        call, payload, path = self.call, self._payload(deployment), self._wire.path
        if deployment.one_choice and (call.choices > 1 or (call.stream and call.endpoint == "completions")):
            _check_apart(call)
            return await open_apart(self.client, deployment, path, payload, stream=call.stream)
        return await self.client.open(deployment, path, _encode(payload), stream=call.stream)

    @property
    def _wire(self) -> Wire:
        return WIRES[self.call.endpoint]

    def _payload(self, deployment: Deployment | None) -> dict[str, Any]:
        """The request as this deployment gets it; without a model's name, as LiteLLM gets it."""
        model = deployment.upstream_model if deployment else None
        running = deployment is not None and deployment.continuous_usage_stats
        payload = self.payload
        if deployment is not None and deployment.priority_scheduling and self.call.service_tier == "batch":
            payload = {**payload, "priority": AFTER_OTHERS}
        return self._wire.payload(payload, model=model, stream=self.call.stream, running=running)

    def _failed(self, deployment: Deployment, error: EngineError) -> None:
        self.last_error = error
        telemetry.attempted(deployment.id, deployment.provider, _OUTCOMES.get(type(error), "failed"))
        logger.warning("%s: %s failed: %s", self.call.request_id, deployment.id, error)
        self.router.report_failure(deployment, status=error.status, message=str(error))

    def _exhausted(self) -> ArtemisError:
        error = self.last_error
        model = self.call.model.public_name
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


class _EngineErrorBody(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    param: str | None = None


class _EngineErrorEnvelope(msgspec.Struct):
    error: _EngineErrorBody | None = None
    message: str = ""


def _caller_fault(error: EngineRefused, call: Call) -> Invalid:
    """What the engine says is wrong with the request, without addresses and paths of the house."""
    try:
        envelope = msgspec.json.decode(error.body, type=_EngineErrorEnvelope)
        inner = envelope.error or _EngineErrorBody(message=envelope.message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        inner = _EngineErrorBody(message=error.body.decode(errors="replace"))
    message = _PRIVATE.sub("…", inner.message)[:600] or "The engine refused this request."
    lowered = message.lower()
    if "context" in lowered and any(word in lowered for word in ("length", "size", "maximum")):
        return Invalid(WIRES[call.endpoint].prompt_field, message, code=CONTEXT_TOO_LONG)
    code = inner.code[:60] if inner.code and isinstance(inner.code, str) else "invalid_request"
    status = error.status if error.status in (400, 413) else 400
    return Invalid(inner.param and inner.param[:100], message, code=code, status=status)
