"""Ends a request, whatever became of it: exactly one settlement, from whatever the meter has read."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import RedisError

from apps.catalog.contracts import Price
from apps.gateway import telemetry
from apps.gateway.admission import month_of, script
from apps.gateway.attempts import Opened
from apps.gateway.contracts import Call
from apps.gateway.estimate import charged, cost, searches
from apps.gateway.limits import scopes_of
from apps.gateway.metering import Meter
from apps.gateway.prompt_log import Ear
from apps.gateway.runtime import Runtime

if TYPE_CHECKING:
    from apps.common.tracing.inference import CallSpan

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningAccount:
    """The running account of one admitted call. `close` may be called from every way out; the first one counts."""

    runtime: Runtime
    call: Call
    price: Price | None
    hold: int
    meter: Meter
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)
    opened: Opened | None = None
    first_byte: float | None = None
    closed: bool = False
    spoke: list[str] = field(default_factory=list)
    span: "CallSpan | None" = None
    ear: Ear | None = None

    @property
    def deployment(self) -> str:
        """Which one answers, the last of those that did; nothing while none does."""
        return self.opened.deployment.id if self.opened else ""

    @property
    def month(self) -> str:
        return month_of(self.started)

    def open(self, hold_record: str) -> None:
        """From now on the hold's lease is renewed, until `close`."""
        self.runtime.in_flight[self.call.request_id] = hold_record
        self.runtime.demand.began(self.call.request_id, self.call.model.public_name)

    def note_first_byte(self) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    def close(self, outcome: str, error_code: str = "") -> None:
        """Settles: the settlement is on its way when this returns, and goes on even if the caller is gone."""
        if self.closed:
            return
        self.closed = True
        self.runtime.in_flight.pop(self.call.request_id, None)
        self.runtime.demand.ended(self.call.request_id)
        self.meter.close()
        if self.opened is not None:
            self.opened.ended(well=outcome != "failed")
        charge = self._charge()
        self._note(outcome, error_code, charge)
        _settle(self.runtime, self.call.request_id, self._arguments(outcome, error_code, charge))
        if self.span is not None:
            self._trace(self.span, outcome, error_code)
        if self.ear is not None:
            self.ear.tell(self.runtime)

    def _charge(self) -> int:
        """Another provider's tokeniser may count more than was held for; the caller was promised no more than that."""
        cost_of_it = cost(self.price, self.meter.tokens, self._ranked())
        return min(self.hold, charged(self.call, cost_of_it))

    def _ranked(self) -> int:
        return searches(self.call) if self.meter.done else 0

    def _note(self, outcome: str, error_code: str, charge: int) -> None:
        call, meter, first = self.call, self.meter, self.first_byte
        telemetry.settled(
            endpoint=call.endpoint,
            model=call.model.public_name,
            deployment=self.deployment,
            outcome=outcome,
            error_code=error_code,
            duration=time.monotonic() - self.clock,
            first_token=first - self.clock if first and call.stream else None,
            input_tokens=meter.input_tokens,
            cached_input_tokens=meter.cached_input_tokens,
            output_tokens=meter.output_tokens,
            cost=charge,
        )

    def _trace(self, span: "CallSpan", outcome: str, error_code: str) -> None:
        meter, answering = self.meter, self.opened.deployment if self.opened else None
        span.settled(
            provider=answering.provider if answering else "",
            model=answering.upstream_model if answering else "",
            deployment=self.deployment,
            outcome=outcome,
            error_code=error_code,
            tokens=(meter.input_tokens, meter.cached_input_tokens, meter.output_tokens),
        )

    def _arguments(self, outcome: str, error_code: str, charge: int) -> list[Any]:
        call, meter = self.call, self.meter
        self.runtime.local.ended(call.key.key_id, call.request_id, charge)
        event = {
            "request_id": call.request_id,
            "account": call.key.account_id,
            "project": call.key.project_id,
            "key": call.key.key_id,
            "model": call.model.public_name,
            "deployment": "+".join(self.spoke)[:120],
            "endpoint": call.endpoint,
            "outcome": outcome,
            "error_code": error_code,
            "streamed": call.stream,
            "price_version": self.price.version_id if self.price else None,
            "input_tokens": meter.input_tokens,
            "cached_input_tokens": meter.cached_input_tokens,
            "output_tokens": meter.output_tokens,
            "estimated": meter.estimated,
            "cost": charge,
            "end_user": call.end_user,
            "started_at": self.started.isoformat(),
            "duration_ms": round((time.monotonic() - self.clock) * 1000),
            "first_token_ms": round((self.first_byte - self.clock) * 1000) if self.first_byte else None,
        }
        # A worker of the release before this one knows none of these.
        if call.service_tier != "default":
            event["service_tier"] = call.service_tier
        if meter.reasoning_tokens:
            event["reasoning_tokens"] = meter.reasoning_tokens
        if ranked := self._ranked():
            event["searches"] = ranked
        return [
            call.request_id,
            charge,
            meter.input_tokens + meter.output_tokens,
            msgspec.json.encode(event).decode(),
            *(word for scope in scopes_of(call.key) for word in (scope, self.month)),
        ]


def _settle(runtime: Runtime, request_id: str, arguments: list[Any]) -> None:
    """Sends the settlement before anything that is written after it: who has the end of an answer has paid for it."""
    sha, _ = script("settle")
    answer = runtime.pipe.start(sha, *arguments)
    if answer is None:
        runtime.keep(_settle_slowly(runtime, request_id, arguments))
        return

    def look(done: "asyncio.Future[Any]") -> None:
        if done.cancelled() or done.exception() is not None or isinstance(done.result(), Exception):
            runtime.keep(_settle_slowly(runtime, request_id, arguments))
        else:
            runtime.recovery.note(arguments)

    runtime.settling(answer)
    answer.add_done_callback(look)


async def _settle_slowly(runtime: Runtime, request_id: str, arguments: list[Any]) -> None:
    """Again, where Redis was away, or had lost the script: the second settlement of a request changes nothing."""
    try:
        await runtime.settle(arguments)
    except (RedisError, OSError):
        logger.warning("Redis did not take the settlement of %s; it is kept on disk", request_id)
        await runtime.keep_on_disk(request_id, arguments)
