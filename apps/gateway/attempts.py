"""Tries deployments until one answers: the asked model's, then those it falls back to."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from apps.catalog.contracts import Catalog
from apps.common.errors import ArtemisError, Invalid, LimitExceeded, Unavailable
from apps.gateway import telemetry
from apps.gateway.contracts import Call
from apps.gateway.metering import MalformedEventError, Meter
from inference.client import (
    EngineClient,
    EngineError,
    EngineGarbled,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    Upstream,
)
from inference.router import Deployment, EngineRouter, NoDeployment
from inference.translate import open_translated

logger = logging.getLogger(__name__)
TRIES_OF_ONE_MODEL = 3
# What another deployment would refuse in the same way.
CALLER_FAULTS = frozenset({400, 413, 422})
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
        for group in self._groups():
            tried: set[str] = set()
            while len(tried) < TRIES_OF_ONE_MODEL:
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

    def _groups(self) -> Iterator[str]:
        name = self.call.model.public_name
        yield name
        for fallback in self.catalog.routing.fallbacks.get(name, ()):
            if fallback in self.catalog.models:
                yield fallback

    async def _try(self, deployment: Deployment, meter: Meter) -> Opened | None:
        self.made += 1
        try:
            opened = await self._begin(deployment, meter)
        except EngineRefused as error:
            if error.status in CALLER_FAULTS:
                telemetry.attempted(deployment.id, deployment.provider, "caller_fault")
                raise _caller_fault(error) from error
            self._failed(deployment, error)
        except EngineError as error:
            self._failed(deployment, error)
        else:
            telemetry.attempted(deployment.id, deployment.provider, "answered")
            return opened
        return None

    async def _begin(self, deployment: Deployment, meter: Meter) -> Opened:
        call = self.call
        if deployment.speaks_openai:
            body = _encode(self._native_payload(deployment))
            upstream: Upstream = await self.client.open(deployment, call.path, body, stream=call.stream)
        else:
            upstream = await open_translated(deployment, call.path, self._translated_payload())
        try:
            if call.stream:
                first = await upstream.read()
                if not first:
                    raise EngineGarbled("the engine ended its stream before it began")
            else:
                first = await upstream.body()
                meter.read_body(first)
            return Opened(deployment, upstream, first)
        except MalformedEventError as error:
            await upstream.close()
            raise EngineGarbled(str(error)) from error
        except BaseException:
            await upstream.close()
            raise

    def _native_payload(self, deployment: Deployment) -> dict[str, Any]:
        payload = {"model": deployment.upstream_model, **self.payload}
        if self.call.stream:
            options: dict[str, Any] = {"include_usage": True}
            if deployment.continuous_usage_stats:
                options["continuous_usage_stats"] = True
            payload |= {"stream": True, "stream_options": options}
        return payload

    def _translated_payload(self) -> dict[str, Any]:
        if self.call.stream:
            return {**self.payload, "stream": True, "stream_options": {"include_usage": True}}
        return self.payload

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


class _EngineErrorBody(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    param: str | None = None


class _EngineErrorEnvelope(msgspec.Struct):
    error: _EngineErrorBody | None = None
    message: str = ""


def _caller_fault(error: EngineRefused) -> Invalid:
    """What the engine says is wrong with the request, without addresses and paths of the house."""
    try:
        envelope = msgspec.json.decode(error.body, type=_EngineErrorEnvelope)
        inner = envelope.error or _EngineErrorBody(message=envelope.message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        inner = _EngineErrorBody(message=error.body.decode(errors="replace"))
    message = _PRIVATE.sub("…", inner.message)[:600] or "The engine refused this request."
    lowered = message.lower()
    if "context" in lowered and any(word in lowered for word in ("length", "size", "maximum")):
        return Invalid("messages", message, code="context_length_exceeded")
    code = inner.code[:60] if inner.code and isinstance(inner.code, str) else "invalid_request"
    return Invalid(
        inner.param and inner.param[:100], message, code=code, status=400 if error.status == 422 else error.status
    )
