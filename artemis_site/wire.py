"""uvicorn's HTTP protocol, with an answer's head and the beginning of its body in one system call, and a last call.

uvicorn writes headers and body apart, two calls for each answer; a system call costs more than what builds the answer.
It tells of a caller who hangs up only to who waits for it: a task more for each request. And as it stops it closes what
is idle at once, while a request may be on its way there, or be in the socket unread.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apps.common.asgi import WHEN_GONE

HEAD = b"HTTP/1.1 "
LAST_CALL_SECONDS = 2.0
CLOSING = (b"connection", b"close")


class Draining:
    """Whether this process is about to be told to stop (deploy.drain), or stops: each answer is its connection's last.

    So a proxy's kept connections have gone elsewhere before the process does.
    """

    is_asked = False
    is_stopping = False


class CorkedTransport:
    """Holds an answer's head back until the body's first part, or until the event loop has turned."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._out: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._out.append(data)
        if not data.startswith(HEAD):
            self._flush()
        elif len(self._out) == 1:
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self._transport.is_closing():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))


class CorkedHttpProtocol(HttpToolsProtocol):
    """Whoever answers a request adds to the set that its scope has by this name what is to be called then."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._when_gone: set[Callable[[], object]] = set()
        super().connection_made(cast(asyncio.Transport, CorkedTransport(transport, self.loop)))

    def on_message_begin(self) -> None:
        self._keep_or_close()
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[WHEN_GONE] = self._when_gone

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        for tell in tuple(self._when_gone):
            tell()

    def shutdown(self) -> None:
        """Called for each connection when the server begins to stop. From now on every answer says that it is the
        connection's last; one that nobody asks anything is closed a little later."""
        Draining.is_stopping = True
        self._keep_or_close()
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_CALL_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _keep_or_close(self) -> None:
        headers, closes = self.server_state.default_headers, Draining.is_asked or Draining.is_stopping
        if closes != (CLOSING in headers):
            kept = [header for header in headers if header != CLOSING]
            self.server_state.default_headers = [*kept, CLOSING] if closes else kept
