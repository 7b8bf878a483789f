"""Talks to an engine over HTTP: opens the answer and waits for its status before anybody is promised a 200."""

import contextlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import inf
from typing import Protocol
from urllib.parse import urlsplit

from inference.connection import LAST_BYTES_SECONDS, Connection, ConnectionPool, Origin
from inference.errors import EngineError, EngineGarbled, EngineRefused, EngineUnreachable
from inference.router import Deployment
from inference.trace_context import traceparent

MAX_ERROR_BYTES = 64 * 1024
ERROR_SECONDS = 5.0
HEALTH_SECONDS = 1.0
ANTHROPIC_BASE, ANTHROPIC_VERSION = "https://api.anthropic.com", "2023-06-01"


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds that a caller is willing to wait, where those are fewer than a deployment allows."""

    total: float = inf
    first_token: float = inf
    between_tokens: float = inf

    def finite(self) -> dict[str, float]:
        """Those that are set, by their names."""
        return {name: seconds for name, seconds in asdict(self).items() if seconds != inf}


NO_LIMITS = TimeLimits()


class Upstream(Protocol):
    """An answer whose status is known to be 200. Read it once, by `body` or piece by piece by `read`, then close it.

    Both raise EngineError. `read` gives what has come, several events at once where they came at once, and nothing at
    the end.
    """

    async def body(self) -> bytes: ...

    async def read(self) -> bytes: ...

    async def close(self, *, finished: bool = False) -> None: ...


class HTTPUpstream:
    def __init__(
        self, pool: ConnectionPool, origin: Origin, connection: Connection, *, first: float, silence: float
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._connection = connection
        self._wait = first
        self._silence = silence
        self._closed = False

    async def body(self) -> bytes:
        return await self._connection.rest()

    async def read(self) -> bytes:
        data = await self._connection.read(self._wait)
        self._wait = self._silence
        return data

    async def close(self, *, finished: bool = False) -> None:
        """Ends the connection where the answer was not read to its end: the engine stops generating.

        `finished` says that the last event came; the end of the body follows it at once, and the connection can then
        serve again.
        """
        if self._closed:
            return
        self._closed = True
        if finished or self._connection.has_ended:
            self._connection.release(self._give_back, within=LAST_BYTES_SECONDS)
        else:
            self._connection.abort()

    def _give_back(self, connection: Connection) -> None:
        self._pool.put(self._origin, connection)


class EngineClient:
    """A pool of connections to all engines; one per event loop."""

    def __init__(self) -> None:
        self._pool = ConnectionPool()

    async def __aenter__(self) -> "EngineClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def open(
        self, deployment: Deployment, path: str, body: bytes, *, stream: bool, limits: TimeLimits = NO_LIMITS
    ) -> HTTPUpstream:
        """POSTs to `path` below the deployment's api_base. Raises EngineError unless the answer's status is 200."""
        origin, head = _head(deployment.provider, deployment.api_base, deployment.api_key, path)
        first = silence = inf
        if stream:
            first = min(deployment.first_token_timeout or deployment.stream_timeout, limits.first_token)
            silence = min(deployment.stream_timeout, limits.between_tokens)
        connection = await self._pool.get(origin, connect_seconds=min(deployment.connect_timeout, limits.total))
        try:
            total = min(deployment.timeout, limits.total)
            if (trace := traceparent.get()) and deployment.provider != "anthropic":  # a trace stays in the house
                request = b"%s%d\r\ntraceparent: %s\r\n\r\n%s" % (head, len(body), trace, body)
            else:
                request = b"%s%d\r\n\r\n%s" % (head, len(body), body)
            connection.send(request, total_seconds=total)
            if await connection.head(first) != 200:
                raise await _refusal(connection)
            if stream and not connection.headers.get(b"content-type", "").startswith("text/event-stream"):
                raise EngineGarbled("the engine answered with something else than a stream")
        except EngineRefused:
            connection.release(lambda ended: self._pool.put(origin, ended), within=LAST_BYTES_SECONDS)
            raise
        except BaseException:
            connection.abort()
            raise
        return HTTPUpstream(self._pool, origin, connection, first=first, silence=silence)

    async def get(self, url: str, *, api_key: str = "", seconds: float) -> bytes:
        """A page of an engine, such as its /metrics. Raises EngineError."""
        return await self._exchange("GET", url, None, api_key, seconds)

    async def post(self, url: str, body: bytes, *, api_key: str = "", seconds: float) -> bytes:
        """JSON, or nothing, to one of an engine's own routes. Raises EngineError."""
        return await self._exchange("POST", url, body, api_key, seconds)

    async def _exchange(self, method: str, url: str, body: bytes | None, api_key: str, seconds: float) -> bytes:
        parts = urlsplit(url)
        origin = Origin.of(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
        if api_key:
            lines.append(f"Authorization: Bearer {api_key}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        connection = await self._pool.get(origin, connect_seconds=seconds)
        try:
            connection.send("\r\n".join([*lines, "", ""]).encode() + (body or b""), total_seconds=seconds)
            status = await connection.head(seconds)
            answer = await connection.rest()
        except BaseException:
            connection.abort()
            raise
        self._pool.put(origin, connection)
        if status != 200:
            raise EngineRefused(status, answer, None)
        return answer


async def is_healthy(client: EngineClient, deployment: Deployment) -> bool:
    """Whether an engine of our own says that it serves."""
    try:
        await client.get(deployment.route("/health"), seconds=HEALTH_SECONDS)
    except (EngineError, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _head(provider: str, api_base: str, api_key: str, path: str) -> tuple[Origin, bytes]:
    """Where a request goes, and all of it that stands before its length. Raises EngineUnreachable."""
    if provider == "anthropic":  # its base is given without /v1, as LiteLLM and Anthropic's own clients have it
        api_base = (api_base or ANTHROPIC_BASE).rstrip("/").removesuffix("/v1") + "/v1"
    url = urlsplit(api_base + path)
    host = url.netloc.rpartition("@")[2]
    lines = [f"POST {url.path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += ["Accept-Encoding: identity"]
    if provider == "anthropic":
        lines += [f"x-api-key: {api_key.strip()}", f"anthropic-version: {ANTHROPIC_VERSION}"]
    elif api_key:
        lines.append(f"Authorization: Bearer {api_key}")
    if any(not line.isascii() or not line.isprintable() for line in lines):
        raise EngineUnreachable("the deployment's address or key has characters that no header may have")
    try:
        origin = Origin.of(api_base)
    except ValueError as error:
        raise EngineUnreachable(str(error)) from error
    return origin, "\r\n".join([*lines, "Content-Length: "]).encode()


async def _refusal(connection: Connection) -> EngineRefused:
    body = b""
    with contextlib.suppress(EngineError):
        while len(body) < MAX_ERROR_BYTES and (part := await connection.read(ERROR_SECONDS)):
            body += part
    retry_after = _seconds(connection.headers.get(b"retry-after"))
    return EngineRefused(connection.status, body[:MAX_ERROR_BYTES], retry_after)


def _seconds(retry_after: str | None) -> float | None:
    """The header's number; its other form, a date, is not used by engines."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
