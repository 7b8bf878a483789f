"""Forwards a stream as the bytes it is, event by whole event, and never lets a cut answer pass as a whole one."""

import logging
from collections.abc import Callable

from apps.gateway.attempts import Opened
from apps.gateway.contracts import Write
from apps.gateway.metering import END, MalformedEventError
from apps.gateway.settlement import RunningAccount
from apps.gateway.wires import WIRES
from inference.errors import EngineError, EngineGarbled

BROKE_OFF = (
    "The engine stopped before the answer was complete; what came so far is not the whole of it. "
    "Send the request again."
)
MAX_EVENT_BYTES = 8 * 1024 * 1024
logger = logging.getLogger(__name__)


class Stream:
    """A caller's stream of server-sent events. Must be pumped, once, or abandoned: that settles the call."""

    def __init__(self, opened: Opened, account: RunningAccount) -> None:
        self._opened = opened
        self._account = account
        self._rename = renaming(opened, account)
        self._pending = b""

    async def pump(self, write: Write) -> None:
        """Writes the stream. Settles on every way out: the end, a failure, a caller who hangs up (cancellation)."""
        account = self._account
        outcome, code = "cancelled", ""
        try:
            await self._forward(write)
            outcome = "completed"
        except (EngineError, MalformedEventError) as error:
            outcome, code = "failed", "engine_failed"
            logger.warning("%s: the stream of %s broke: %s", account.call.request_id, account.deployment, error)
            self._opened.broke(error)
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
                break
        if not meter.finished:
            raise EngineGarbled("the engine's stream ended before its answer did")
        self._account.close("completed")
        await write(meter.ending(), last=True)

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
    """The caller sees the name that it asked for, not the engine's."""
    call = account.call
    return WIRES[call.endpoint].renaming(opened.deployment.upstream_model, call.model.public_name)
