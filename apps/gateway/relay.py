"""Forwards a stream as the bytes it is, event by whole event, and never lets a cut answer pass as a whole one."""

import logging
from collections.abc import Callable

from apps.common.errors import ArtemisError, Unavailable
from apps.gateway.attempts import Attempts, Opened
from apps.gateway.continuation import MOST_CONTINUATIONS, Continuing, ending_of, sent_so_far
from apps.gateway.contracts import Write
from apps.gateway.metering import END, MalformedEventError, fresh
from apps.gateway.settlement import RunningAccount
from apps.gateway.wires import WIRES
from apps.gateway.wires.openai import without_timings
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
        for left in reversed(range(MOST_CONTINUATIONS + 1)):
            try:
                await self._forward_one(write)
                return
            except (EngineError, MalformedEventError) as error:
                if self._account.meter.finished:
                    break  # all that was left to come is a count
                self._opened.broke()
                logger.warning("%s: %s broke off: %s", self._account.call.request_id, self._opened.deployment.id, error)
                if not left or not await self._goes_on():
                    raise
        self._account.close("completed")
        await write(self._account.meter.ending(), last=True)

    async def _forward_one(self, write: Write) -> None:
        """Forwards what one deployment says."""
        meter, upstream, ear = self._account.meter, self._opened.upstream, self._account.ear
        data = self._opened.first
        while True:
            ready = self._take(data)
            is_last = meter.done and meter.broken is None
            if ready:
                self._account.note_first_byte()
                if ear is not None:
                    ear.hear(ready)
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
        """Whether the answer goes on where this deployment left it, on another as a rule. Raises EngineError."""
        account, attempts, meter = self._account, self._attempts, self._account.meter
        self._pending = b""
        await self._opened.upstream.close()
        if account.first_byte is None:  # the caller has nothing: whoever is next begins
            account.meter = fresh(meter)
            return await self._found(attempts.anew())
        sent = sent_so_far(account.call, meter, account.spoke)
        if sent is None:
            return False
        if meter.is_closed:
            self._opened.first = ending_of(attempts.call, attempts.payload, sent, self._opened.deployment)
            if not self._opened.first:
                return False
        elif not await self._found(Continuing.after(attempts, sent)):
            return False
        meter.goes_on(sent.tokens)
        self._rename = _unchanged
        return True

    async def _found(self, attempts: Attempts) -> bool:
        """Whether there is one that answers: from now on it is heard."""
        account = self._account
        try:
            try:
                opened = await attempts.open(account.meter, without=account.spoke)
            except Unavailable:  # nobody else; the one that broke off may be well again
                opened = await attempts.open(account.meter)
        except ArtemisError as error:
            logger.warning("%s: nobody goes on with the answer: %s", account.call.request_id, error)
            return False
        self._opened.ended(well=False)
        self._opened = account.opened = opened
        self._rename = renaming(opened, account)
        account.spoke.append(opened.deployment.id)
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
