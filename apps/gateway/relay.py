"""Forwards a stream as the bytes it is, event by whole event, and never lets a cut answer pass as a whole one."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from apps.common.errors import ArtemisError, Unavailable
from apps.gateway.attempts import Attempts, Opened
from apps.gateway.continuation import MOST_CONTINUATIONS, Continuing, Sent, can_continue
from apps.gateway.contracts import Write
from apps.gateway.metering import END, MalformedEventError
from apps.gateway.settlement import RunningAccount
from apps.gateway.wires import WIRES
from apps.gateway.wires.openai import OpenAIMeter, without_timings
from inference.errors import EngineError, EngineGarbled

BROKE_OFF = (
    "The engine stopped before the answer was complete; what came so far is not the whole of it. "
    "Send the request again."
)
MAX_EVENT_BYTES = 8 * 1024 * 1024
logger = logging.getLogger(__name__)


class Stream:
    """A caller's stream of server-sent events. Must be pumped, once, or abandoned: that settles the call."""

    def __init__(self, opened: Opened, account: RunningAccount, attempts: Attempts) -> None:
        self._opened = opened
        self._account = account
        self._attempts = attempts
        self._rename = renaming(opened, account)
        self._pending = b""

    async def pump(self, write: Write) -> None:
        """Writes the stream. Settles on every way out: the end, a failure, a caller who hangs up (cancellation)."""
        account = self._account
        outcome, code = "cancelled", ""
        try:
            await self._forward(write)
            outcome = "completed"
        except (EngineError, MalformedEventError):
            outcome, code = "failed", "engine_failed"
            event = account.meter.error_event(BROKE_OFF, code=code, request_id=account.call.request_id)
            await write(event, last=True)
        finally:
            account.close(outcome, code)
            await self._opened.upstream.close(finished=outcome == "completed")

    async def abandon(self) -> None:
        """For a caller who was gone before the stream began. After `pump` it changes nothing."""
        if not self._account.closed:
            self._account.close("cancelled")
            await self._opened.upstream.close()

    async def _forward(self, write: Write) -> None:
        """Forwards the answer to its end, on other deployments where the first does not bring it there."""
        meter = self._account.meter
        for left in reversed(range(MOST_CONTINUATIONS + 1)):
            try:
                await self._forward_one(write)
                return
            except (EngineError, MalformedEventError) as error:
                if meter.finished and isinstance(error, EngineError):
                    break  # all that was left to come is a count
                self._opened.broke()
                logger.warning("%s: %s broke off: %s", self._account.call.request_id, self._opened.deployment.id, error)
                if not left or not await self._goes_on():
                    raise
        self._account.close("completed")
        await write(meter.ending(), last=True)

    async def _forward_one(self, write: Write) -> None:
        """Forwards what one deployment says."""
        meter, upstream = self._account.meter, self._opened.upstream
        data = self._opened.first
        while True:
            ready = self._take(data)
            is_last = meter.done and meter.broken is None
            if ready:
                self._account.note_first_byte()
            if is_last:
                self._account.close("completed")
            if ready:
                await write(ready, last=is_last)
            if meter.broken is not None:
                raise meter.broken
            if is_last:
                return
            data = await upstream.read()
            if not data:
                raise EngineGarbled("the engine's stream ended before its answer did")

    async def _goes_on(self) -> bool:
        """Whether another deployment has taken the answer up where this one left it."""
        account, meter = self._account, self._account.meter
        if not isinstance(meter, OpenAIMeter) or not can_continue(account.call, meter):
            return False
        broken, self._pending = self._opened, b""
        await broken.upstream.close()
        try:
            sent = sent_so_far(account, meter)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False  # it began with garbage: there is nothing to go on with
        attempts = self._attempts
        continuing = Continuing(
            attempts.router,
            attempts.client,
            attempts.catalog,
            attempts.call,
            attempts.payload,
            until=attempts.until,
            sent=sent,
        )
        try:
            try:
                opened = await continuing.open(meter, without=account.spoke)
            except Unavailable:  # nobody else; the one that broke off may be well again
                opened = await continuing.open(meter)
        except ArtemisError as error:
            logger.warning("%s: nobody goes on with the answer: %s", account.call.request_id, error)
            return False
        broken.ended(well=False)
        meter.goes_on(sent.tokens)
        self._opened = account.opened = opened
        account.spoke.append(opened.deployment.id)
        self._rename = _unchanged
        return True

    def _take(self, data: bytes) -> bytes:
        """Of what came so far, the whole events that the caller gets."""
        if self._pending:
            data = self._pending + data
        if b"\r" in data:
            data = data.replace(b"\r\n", END[:1])
        end = data.rfind(END)
        if end < 0:
            if len(data) > MAX_EVENT_BYTES:
                raise EngineGarbled("the engine sent an event that does not end")
            self._pending = data
            return b""
        end += 2
        self._pending = data[end:]
        whole = data if end == len(data) else data[:end]
        return self._rename(self._account.meter.read(whole, include_usage=self._account.call.include_usage))


def renaming(opened: Opened, account: RunningAccount) -> Callable[[bytes], bytes]:
    """The caller sees the name that it asked for, not the engine's, and nothing of llama.cpp's own."""
    call = account.call
    rename = WIRES[call.endpoint].renaming(opened.deployment.upstream_model, call.model.public_name)
    if opened.deployment.one_choice:
        return lambda data: rename(without_timings(data))
    return rename


def _unchanged(data: bytes) -> bytes:
    return data


def sent_so_far(account: RunningAccount, meter: OpenAIMeter) -> Sent:
    """What the caller has. Tokens that no engine has counted yet are estimated, as they would be for the bill."""
    head: dict[str, Any] = msgspec.json.decode(meter.head.removeprefix(b"data:"))
    kept: dict[str, Any] = {
        name: head[name] for name in ("id", "object", "created", "system_fingerprint") if name in head
    }
    return Sent(
        text="".join(meter.said),
        head={**kept, "model": account.call.model.public_name},
        tokens=meter.so_far(),
        is_counted=meter.counted or meter.prompt_is_known,
        deployments=tuple(account.spoke),
    )
