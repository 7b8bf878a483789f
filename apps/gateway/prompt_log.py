"""Hears what is asked and answered, of accounts that want it logged, and hands it to the workers, sealed.

Never in the way of a call: nothing waits for it, and where there is no room for it, or no Redis, it is dropped.
"""

import asyncio
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from apps.gateway import telemetry
from apps.gateway.contracts import Call
from apps.prompts import services
from apps.prompts.contracts import LOGGED_ENDPOINTS, MOST_WAITING, STREAM, Heard

if TYPE_CHECKING:
    from apps.gateway.runtime import Runtime

MOST_BYTES = 256 * 1024
"""Of an answer deflated, and of what goes through Redis."""
MOST_TEXT = 64 * 1024  # characters of one text that was asked
MOST_LISTED = 1000


class Ear:
    """Hears the answer to one call, and deflates it as it comes: a stream of tokens to a twentieth."""

    def __init__(self, call: Call, started: datetime) -> None:
        self._call = call
        self._started = started
        self._deflater = zlib.compressobj(1, wbits=12, memLevel=5)
        self._parts: list[bytes] = []
        self._size = 0

    def hear(self, data: bytes) -> None:
        if self._size < MOST_BYTES and (part := self._deflater.compress(data)):
            self._parts.append(part)
            self._size += len(part)

    def tell(self, runtime: "Runtime") -> None:
        """All that was heard, to the workers. Whoever asked has no part in it."""
        runtime.keep(_send(runtime, self))

    def sealed(self) -> bytes:
        """Takes some milliseconds."""
        heard = Heard(
            request_id=self._call.request_id,
            account=self._call.key.account_id,
            endpoint=self._call.endpoint,
            started_at=self._started,
            asked=_cut(self._call.payload),
            answered=b"".join((*self._parts, self._deflater.flush())),
            is_whole=not self._call.stream,
        )
        return services.sealed(heard)


def ear_for(call: Call, started: datetime) -> Ear | None:
    """None where nothing is logged: the account does not want it, or the call does not."""
    if not (call.key.prompts_are_logged and call.may_be_logged and call.endpoint in LOGGED_ENDPOINTS):
        return None
    return Ear(call, started)


async def _send(runtime: "Runtime", ear: Ear) -> None:
    sealed = await asyncio.to_thread(ear.sealed)
    sent = False
    try:
        if len(sealed) <= MOST_BYTES and await runtime.redis.xlen(STREAM) < MOST_WAITING:
            sent = bool(await runtime.redis.xadd(STREAM, {"sealed": sealed}))
    except (RedisError, OSError):
        pass
    telemetry.prompt_logged(sent=sent)


def _cut(value: Any) -> Any:
    """A copy without the middle of what is very long: images and files, for the most part."""
    if isinstance(value, str):
        half = MOST_TEXT // 2
        return value if len(value) <= MOST_TEXT else value[:half] + value[-half:]
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        most = MOST_LISTED // 2
        return [_cut(inner) for inner in (value if len(value) <= MOST_LISTED else (*value[:most], *value[-most:]))]
    return value
