"""Forwards a stream as the bytes it is, event by whole event, and never lets a cut answer pass as a whole one."""

import logging
import re
from collections.abc import AsyncIterator, Callable

import msgspec

from apps.gateway.attempts import Opened
from apps.gateway.metering import MalformedEventError
from apps.gateway.settlement import Account
from inference.client import EngineError, EngineGarbled

END = b"\n\n"
MAX_EVENT_BYTES = 8 * 1024 * 1024
_RUNNING_USAGE = re.compile(rb',"usage":(?:null|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
logger = logging.getLogger(__name__)


async def relay(opened: Opened, account: Account) -> AsyncIterator[bytes]:
    """The caller's stream. Settles on every way out: the end, a failure, a caller who hangs up."""
    outcome, code = "cancelled", ""
    try:
        async for data in _events(opened, account):
            yield data
        outcome = "completed"
    except (EngineError, MalformedEventError) as error:
        outcome, code = "failed", "engine_failed"
        logger.warning("%s: the stream of %s broke: %s", account.call.request_id, account.deployment, error)
        yield _error_event(account.call.request_id)
    finally:
        account.close(outcome, code)
        await opened.upstream.close(finished=outcome == "completed")


async def _events(opened: Opened, account: Account) -> AsyncIterator[bytes]:
    assert opened.chunks is not None
    rewrite = _renaming(opened, account)
    pending = b""
    data = opened.first
    meter = account.meter
    while True:
        data = (pending + data if pending else data).replace(b"\r\n", b"\n")
        end = data.rfind(END)
        if end < 0:
            pending = data
            if len(pending) > MAX_EVENT_BYTES:
                raise EngineGarbled("the engine sent an event that does not end")
        else:
            whole, pending = data[: end + len(END)], data[end + len(END) :]
            ready = _forwarded(whole, account)
            if ready:
                account.note_first_byte()
                yield rewrite(ready)
        if meter.done:
            return
        try:
            data = await anext(opened.chunks)
        except StopAsyncIteration:
            break
    if not meter.finished:
        raise EngineGarbled("the engine's stream ended before its answer did")
    yield b"data: [DONE]\n\n"


def _forwarded(whole: bytes, account: Account) -> bytes:
    """Whole events as they came, without those that the caller did not ask for."""
    meter, call = account.meter, account.call
    frames = whole[: -len(END)].split(END)
    kept = [frame for frame in frames if meter.keep(frame, include_usage=call.include_usage)]
    if meter.done and not meter.finished:
        raise EngineGarbled("the engine said that it is done before its answer was")
    ready = whole if len(kept) == len(frames) else b"".join(frame + END for frame in kept)
    if meter.counted and not call.include_usage and b'"usage":{' in ready:
        ready = _RUNNING_USAGE.sub(b"", ready)  # the running counts that we asked for, not the caller
    return ready


def _renaming(opened: Opened, account: Account) -> Callable[[bytes], bytes]:
    """The caller sees the name that it asked for, not the engine's."""
    upstream, public = opened.deployment.upstream_model, account.call.model.public_name
    if upstream == public:
        return lambda data: data
    old = b'"model":' + msgspec.json.encode(upstream)
    new = b'"model":' + msgspec.json.encode(public)
    return lambda data: data.replace(old, new)


def renamed_body(body: bytes, opened: Opened, account: Account) -> bytes:
    return _renaming(opened, account)(body)


def _error_event(request_id: str) -> bytes:
    error = {
        "message": "The engine stopped before the answer was complete; what came so far is not the whole of it. "
        "Send the request again.",
        "type": "server_error",
        "param": None,
        "code": "engine_failed",
        "request_id": request_id,
    }
    return b"data: " + msgspec.json.encode({"error": error}) + END
