"""Hears what is asked and answered, of accounts that want it logged, and hands it to the workers, sealed.

Never in the way of a call: nothing waits for it, and where there is no room for it, or no Redis, it is dropped.
"""

import asyncio
import logging
import re
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from apps.gateway import telemetry
from apps.gateway.contracts import Call
from apps.prompts import services
from apps.prompts.contracts import LOGGED_ENDPOINTS, MOST_WAITING, QUEUE, Heard

if TYPE_CHECKING:
    from apps.gateway.runtime import Runtime

MOST_HEARD = 128 * 1024
"""Bytes of a streamed answer, deflated."""
MOST_WHOLE = 4 * 1024 * 1024
MOST_TEXT, MOST_OF_ALL = 64 * 1024, 256 * 1024
"""Characters of what was asked; several times what is kept of it, since it is redacted before it is cut to that."""
MOST_LISTED = 1000
_BASE64 = re.compile(r"data:|[A-Za-z0-9+/=_-]{1000}")
logger = logging.getLogger(__name__)


class Ear:
    """Hears the answer to one call. A stream of tokens is deflated as it comes, to a twentieth."""

    def __init__(self, call: Call, started: datetime) -> None:
        self._call = call
        self._started = started
        self._deflater = zlib.compressobj(1, wbits=12, memLevel=5)
        self._parts: list[bytes] = []
        self._size = 0

    def hear(self, data: bytes) -> None:
        """Events of a stream, or the whole answer, at once."""
        if not self._call.stream:
            self._parts = [data] if len(data) <= MOST_WHOLE else []
        elif self._size < MOST_HEARD and (part := self._deflater.compress(data)):
            self._parts.append(part)
            self._size += len(part)

    def tell(self, runtime: "Runtime") -> None:
        """All that was heard, to the workers. Whoever asked has no part in it."""
        runtime.keep(_send(runtime, self))

    def sealed(self) -> bytes | None:
        """Takes some milliseconds. None where it is too large."""
        is_whole = not self._call.stream
        parts = [self._deflater.compress(part) for part in self._parts] if is_whole else self._parts
        heard = Heard(
            request_id=self._call.request_id,
            account=self._call.key.account_id,
            endpoint=self._call.endpoint,
            started_at=self._started,
            asked=_Cutting().of(self._call.payload),
            answered=b"".join((*parts, self._deflater.flush())),
            is_whole=is_whole,
        )
        return services.sealed(heard)


def ear_for(call: Call, started: datetime) -> Ear | None:
    """None where nothing is logged: the account does not want it, or the call does not."""
    if not (call.key.prompts_are_logged and call.may_be_logged and call.endpoint in LOGGED_ENDPOINTS):
        return None
    return Ear(call, started)


async def _send(runtime: "Runtime", ear: Ear) -> None:
    sent = False
    try:
        sealed = await asyncio.to_thread(ear.sealed)
        if sealed is not None and await runtime.redis.llen(QUEUE) < MOST_WAITING:
            sent = bool(await runtime.redis.rpush(QUEUE, sealed))
    except (RedisError, OSError):
        pass
    except Exception as error:  # whatever a caller nested too deeply; its text would quote it
        logger.warning("a prompt could not be logged: %s", type(error).__name__)
    telemetry.prompt_logged(sent=sent)


class _Cutting:
    """Copies without the middle of what is very long, and without images and files. What came last gets room first."""

    def __init__(self) -> None:
        self._left = MOST_OF_ALL

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {name: self.of(inner) for name, inner in value.items()}
        if isinstance(value, list):
            half = MOST_LISTED // 2
            few = value if len(value) <= MOST_LISTED else [*value[:half], *value[-half:]]
            return [self.of(inner) for inner in reversed(few)][::-1]
        return value

    def _text(self, text: str) -> str:
        if len(text) > 1000 and _BASE64.match(text):
            return ""
        most = min(MOST_TEXT, self._left)
        if len(text) > most:
            half = most // 2
            text = text[:half] + text[len(text) - half :]
        self._left -= len(text)
        return text
