"""One pipelined connection to Redis for the two calls that every request makes.

redis-py takes a connection from its pool for each command: 0.05 to 0.07 ms of CPU, as much as the rest of an
admission. Here commands of the same turn of the event loop leave in one write and are answered in order, for 0.01 ms.
Parsing is hiredis's, as in redis-py; everything but scripts goes through redis-py itself (apps/common/redis.py).
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

ANSWER_SECONDS = 1.0
AWAY_SECONDS = 0.5  # before each look at whether a Redis that was away is back; meanwhile nobody waits for it
# What a server says that is there and yet cannot do anything: a replica that was the master, one that is loading.
NOT_NOW = ("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF")


class NotSentError(RedisConnectionError):
    """Redis is away: it has not seen the command, and will not."""


class FullError(RedisError):
    """Redis has no room left (`maxmemory`): it answers, and has done nothing of what it was asked for."""


class _Connection(asyncio.Protocol):
    """Commands out, answers in, in the same order."""

    def __init__(self, when_lost: "Callable[[_Connection], None]") -> None:
        self._when_lost = when_lost
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._watchdog: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._when_lost(self)
        if not isinstance(error, RedisError):  # the network's own
            error = RedisConnectionError("the connection to Redis was lost")
        if self._watchdog is not None:
            self._watchdog.cancel()
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def send(self, *words: Any) -> "asyncio.Future[Any]":
        """The answer to come. Alone, a command is in the socket when this returns."""
        future = self._loop.create_future()
        is_alone = not self._waiting
        self._waiting.append((future, self._loop.time()))
        if self._watchdog is None:
            self._watchdog = self._loop.call_later(ANSWER_SECONDS, self._look_for_silence)
        self._out.append(hiredis.pack_command(words))
        if is_alone:
            self._flush()  # nobody to share a write with
        elif len(self._out) == 1:
            self._loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _look_for_silence(self) -> None:
        """One timer for all commands: a silent Redis is noticed a second after the oldest of them."""
        self._watchdog = None
        if not self._waiting:
            return
        until = self._waiting[0][1] + ANSWER_SECONDS
        if self._loop.time() < until - 0.001:
            self._watchdog = self._loop.call_at(until, self._look_for_silence)
        else:
            self.close(RedisTimeoutError("Redis did not answer in time"))

    def close(self, error: Exception | None = None) -> None:
        """Fails what still waits; a connection that did not answer in time must not answer later calls."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(error)


class RedisPipe:
    """Runs scripts. Raises FullError and redis-py's exceptions: RedisConnectionError, RedisTimeoutError, ResponseError.

    `on_reconnection` is called before anything else is said on a connection that is not the first: what is there may
    be another Redis, or one that lost its last second.
    """

    def __init__(self, url: str, *, on_reconnection: Callable[[], None] | None = None) -> None:
        self._parts = urlsplit(url)
        self._on_reconnection = on_reconnection
        self._connection: _Connection | None = None
        self._connecting: asyncio.Lock | None = None
        self._looking: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._is_another = False  # a connection that was made anew, and nobody told of it yet
        self._is_closed = False

    async def evalsha(self, sha: str, *arguments: Any) -> Any:
        """Raises NoScriptError where Redis does not know the script (yet, or any more)."""
        return await self._call("EVALSHA", sha, 0, *arguments)

    async def eval(self, script: str, *arguments: Any) -> Any:
        return await self._call("EVAL", script, 0, *arguments)

    async def close(self) -> None:
        self._is_closed = True
        for task in (self._looking, self._returning):
            if task is not None:
                task.cancel()
        if self._connection is not None:
            self._connection.close()

    def start(self, sha: str, *arguments: Any) -> "asyncio.Future[Any] | None":
        """`evalsha` without waiting: the future of Redis's raw answer, errors included; None while not connected."""
        connection = self._connection
        if connection is None or connection.is_lost or self._looking is not None:
            return None
        return connection.send("EVALSHA", sha, 0, *arguments)

    async def _call(self, *words: Any) -> Any:
        """Fails at once while Redis is known to be away; the pipe itself finds out when it is back."""
        if self._looking is not None:
            raise NotSentError("Redis is away")
        try:
            return await self._ask(*words)
        except (RedisConnectionError, RedisTimeoutError):
            if self._looking is None:
                self._looking = asyncio.create_task(self._look_for_it())
            raise

    async def _look_for_it(self) -> None:
        back = False
        while not back:
            await asyncio.sleep(AWAY_SECONDS)
            with contextlib.suppress(RedisError):
                await self._ask("PING")
                back = True
        self._looking = None
        self._tell_of_another()

    def _lost(self, connection: _Connection) -> None:
        """Returns at once: the next call may be far away."""
        if connection is self._connection and not self._is_closed:
            self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        with contextlib.suppress(RedisError):
            await self._call("PING")

    def _tell_of_another(self) -> None:
        """Not while it is looked for: nobody could say anything to it."""
        if self._is_another and self._looking is None:
            self._is_another = False
            if self._on_reconnection is not None:
                self._on_reconnection()

    async def _ask(self, *words: Any) -> Any:
        connection = self._connection
        if connection is None or connection.is_lost:
            connection = await self._connected()
        answer = await connection.send(*words)
        if isinstance(answer, hiredis.ReplyError):
            raise self._error(str(answer))
        return answer

    def _error(self, message: str) -> Exception:
        if message.startswith("NOSCRIPT"):
            return NoScriptError(message)
        if message.startswith("OOM"):
            return FullError(message)
        if not message.startswith(NOT_NOW):
            return ResponseError(message)
        if self._connection is not None:
            self._connection.close()  # the next one may lead to another server
        return RedisConnectionError(message)

    async def _connected(self) -> _Connection:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._connect()
        except TimeoutError as error:
            raise NotSentError("Redis did not answer in time") from error
        except OSError as error:
            raise NotSentError(f"Redis cannot be reached: {error}") from error

    async def _connect(self) -> _Connection:
        self._connecting = self._connecting or asyncio.Lock()
        async with self._connecting:
            if self._connection is not None and not self._connection.is_lost:
                return self._connection
            parts = self._parts
            context = ssl.create_default_context() if parts.scheme == "rediss" else None
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self._lost), parts.hostname or "127.0.0.1", parts.port or 6379, ssl=context
            )
            try:
                await self._greet(connection)
            except BaseException:
                connection.close()
                raise
            self._is_another = self._connection is not None
            self._connection = connection
            self._tell_of_another()
            return connection

    async def _greet(self, connection: _Connection) -> None:
        parts = self._parts
        commands: list[tuple[str, ...]] = []
        if parts.password:
            user = (unquote(parts.username),) if parts.username else ()
            commands.append(("AUTH", *user, unquote(parts.password)))
        if database := parts.path.strip("/"):
            commands.append(("SELECT", database))
        for command in commands:
            answer = await connection.send(*command)
            if isinstance(answer, hiredis.ReplyError):
                raise RedisConnectionError(f"Redis refused {command[0]}: {answer}")
