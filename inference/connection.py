"""One HTTP/1.1 connection to an engine, and the pool that keeps connections for the next request.

aiohttp's client costs 0.15 ms of CPU for a request and 5 µs for each chunk of its answer, as much as all else that the
gateway does. This does what an engine needs and no more, on httptools, the parser that uvicorn serves with: one
request at a time, an answer read piece by piece, a time limit for each wait. See deploy/decisions/0005.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from inference.errors import EngineError, EngineGarbled, EngineTimeout, EngineUnreachable

CONNECT_SECONDS = 5.0
# vLLM and llama.cpp close a connection that was idle for five seconds; a request must not meet the close on its way.
KEEP_SECONDS = 4.0
SWEEP_SECONDS = 5.0
LAST_BYTES_SECONDS = 0.25
HIGH_WATER = 2**18
KEPT_HEADERS = frozenset({b"content-type", b"retry-after"})


@dataclass(frozen=True, slots=True)
class Origin:
    host: str
    port: int
    secure: bool

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Raises ValueError for what is no http:// or https:// address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// address")
        secure = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if secure else 80), secure)


class Connection(asyncio.Protocol):
    """Write a request, await `head`, then `read` to the end. Then the pool may have it again (`is_reusable`)."""

    def __init__(self, on_lost: Callable[["Connection"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False
        self.idle_since = 0.0
        self._begin(float("inf"))

    def _begin(self, total_until: float) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._total_until = total_until
        self._wait_until = float("inf")
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self._error: EngineError | None = None
        self._released: Callable[[Connection], None] | None = None
        self._until_closed = True
        self._keeps_alive = False
        self.headers: dict[bytes, str] = {}
        self.status = 0
        self.has_head = False
        self.has_ended = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not inherit

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(EngineGarbled(f"the engine does not speak HTTP: {error}"))
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self.has_head and not self.has_ended and self._until_closed and error is None:
            self.on_message_complete()
        elif not self.has_ended:
            self._fail(EngineUnreachable("the engine closed the connection", delivered=True))
        self._stop_timer()
        self._on_lost(self)

    # What httptools calls

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in KEPT_HEADERS:
            self.headers[lowered] = value.decode("latin-1")
        elif lowered in (b"content-length", b"transfer-encoding"):
            self._until_closed = False

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.has_head = True
            self._wake()

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if not self.has_head:
            self.headers.clear()  # of an interim answer, such as 103
            self._until_closed = True
            return
        self.has_ended = True
        self._keeps_alive = self._parser.should_keep_alive()  # only here does the parser still know
        self._wake()
        if self._released is not None:
            released, self._released = self._released, None
            self._stop_timer()
            released(self)

    # What the client calls

    @property
    def is_reusable(self) -> bool:
        return self.has_ended and self._keeps_alive and not self._until_closed and not self._lost

    @property
    def is_lost(self) -> bool:
        return self._lost or self._transport.is_closing()

    def send(self, request: bytes, *, total_seconds: float) -> None:
        self._begin(self._loop.time() + total_seconds)
        self._transport.write(request)

    async def head(self, seconds: float) -> int:
        """The status, once all headers are there. Raises EngineError."""
        while not self.has_head:
            await self._wait(seconds)
        return self.status

    async def read(self, seconds: float) -> bytes:
        """What has come; nothing at the end. Raises EngineError, EngineTimeout after so many seconds of silence."""
        while not self._parts:
            if self.has_ended:
                return b""
            await self._wait(seconds)
        return self._taken()

    async def rest(self) -> bytes:
        """The whole body. Raises EngineError."""
        read: list[bytes] = []
        while not self.has_ended:
            if self._paused:
                read.append(self._taken())
            await self._wait(float("inf"))
        read.append(self._taken())
        return read[0] if len(read) == 1 else b"".join(read)

    def release(self, released: Callable[["Connection"], None], *, within: float) -> None:
        """Calls `released` once the answer has ended; closes the connection if that takes longer than `within`."""
        if self.has_ended:
            self._stop_timer()
            released(self)
            return
        self._released = released
        self._wait_until = self._loop.time() + within
        self._resume()
        self._stop_timer()
        self._start_timer()

    def abort(self) -> None:
        """The engine sees it, and stops its work."""
        self._stop_timer()
        self._transport.abort()

    # Inside

    def _taken(self) -> bytes:
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._resume()
        return data

    def _resume(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    async def _wait(self, seconds: float) -> None:
        if self._error is not None:
            raise self._error
        if self._lost:
            raise EngineUnreachable("the engine closed the connection", delivered=True)
        self._wait_until = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > min(self._wait_until, self._total_until) + 0.001:
            self._stop_timer()
            self._start_timer()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._wait_until = float("inf")
        if self._error is not None and not self._parts:
            raise self._error

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: EngineError) -> None:
        self._error = self._error or error
        self._wake()

    def _start_timer(self) -> None:
        when = min(self._wait_until, self._total_until)
        if when != float("inf"):
            self._timer = self._loop.call_at(when, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        """One timer for all waits of a request: it is not moved for each, but looks, once it is due, what still is."""
        self._timer = None
        if self._loop.time() < min(self._wait_until, self._total_until) - 0.001:
            self._start_timer()
            return
        self._fail(EngineTimeout("the engine was silent for too long"))
        self._transport.abort()


class ConnectionPool:
    """Connections by origin, the one that was used last first; one pool per event loop."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}
        self._all: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def get(self, origin: Origin, *, connect_seconds: float = CONNECT_SECONDS) -> Connection:
        """Raises EngineUnreachable."""
        idle = self._idle.get(origin)
        oldest = time.monotonic() - KEEP_SECONDS
        while idle:
            connection = idle.pop()
            if not connection.is_lost and connection.idle_since > oldest:
                return connection
            connection.abort()
        return await self._connect(origin, connect_seconds)

    def put(self, origin: Origin, connection: Connection) -> None:
        if not connection.is_reusable or connection.is_lost:
            connection.abort()
            return
        connection.idle_since = time.monotonic()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()
        while self._all:  # an aborted one is gone in the next turn of the loop
            await asyncio.sleep(0)

    async def _connect(self, origin: Origin, seconds: float) -> Connection:
        context = self._context() if origin.secure else None
        try:
            async with asyncio.timeout(seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._all.discard),
                    origin.host,
                    origin.port,
                    ssl=context,
                )
        except (OSError, ssl.SSLError, UnicodeError) as error:  # TimeoutError is an OSError
            raise EngineUnreachable(f"the engine cannot be reached: {type(error).__name__}") from error
        self._all.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = time.monotonic() - KEEP_SECONDS
        for origin, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= oldest:
                    connection.abort()
            self._idle[origin] = [one for one in idle if one.idle_since > oldest and not one.is_lost]
            if not self._idle[origin]:
                del self._idle[origin]
        if self._idle:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
