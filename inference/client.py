"""Talks to an engine over HTTP: opens the answer and waits for its status before anybody is promised a 200."""

import asyncio
import contextlib
from types import TracebackType
from typing import Protocol

import aiohttp

from inference.router import Deployment

CONNECT_TIMEOUT_SECONDS = 5.0
LAST_BYTES_SECONDS = 0.25
MAX_ERROR_BYTES = 64 * 1024


class EngineError(Exception):
    """An engine did not answer as it should.

    EngineError
    ├── EngineRefused      it answered with an error status; `status`, `body`, `retry_after` (seconds)
    ├── EngineUnreachable  no connection, or it broke
    ├── EngineTimeout      silent for longer than the deployment allows
    └── EngineGarbled      what came is not what the protocol says
    """

    status = 502


class EngineRefused(EngineError):
    def __init__(self, status: int, body: bytes, retry_after: float | None) -> None:
        super().__init__(f"the engine answered {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class EngineUnreachable(EngineError):
    status = 503


class EngineTimeout(EngineError):
    status = 504


class EngineGarbled(EngineError):
    status = 502


class Upstream(Protocol):
    """An answer whose status is known to be 200. Read it once, by `body` or piece by piece by `read`, then close it.

    Both raise EngineError. `read` gives what has come, several events at once where they came at once, and nothing at
    the end.
    """

    async def body(self) -> bytes: ...

    async def read(self) -> bytes: ...

    async def close(self, *, finished: bool = False) -> None: ...


class HTTPUpstream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content

    async def body(self) -> bytes:
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise _engine_error(error) from error

    async def read(self) -> bytes:
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _engine_error(error) from error

    async def close(self, *, finished: bool = False) -> None:
        """Ends the connection where the answer was not read to its end: the engine stops generating.

        `finished` says that the last event came; the end of the body, which follows it, is awaited for a moment, so
        that the connection can serve again.
        """
        if finished and not self._content.at_eof():
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with asyncio.timeout(LAST_BYTES_SECONDS):
                    await self._content.readany()
        self._response.close()


class EngineClient:
    """A pool of connections to all engines; one per event loop."""

    async def __aenter__(self) -> "EngineClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=2**18,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def open(self, deployment: Deployment, path: str, body: bytes, *, stream: bool) -> HTTPUpstream:
        """POSTs to `path` below the deployment's api_base. Raises EngineError unless the answer's status is 200."""
        timeout = aiohttp.ClientTimeout(
            total=deployment.timeout,
            sock_connect=CONNECT_TIMEOUT_SECONDS,
            sock_read=deployment.stream_timeout if stream else None,
        )
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if deployment.api_key:
            headers["Authorization"] = f"Bearer {deployment.api_key}"
        try:
            response = await self._session.post(
                f"{deployment.api_base}{path}",
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _engine_error(error) from error
        if response.status != 200:
            await _refuse(response)
        if stream and not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            response.close()
            raise EngineGarbled("the engine answered with something else than a stream")
        return HTTPUpstream(response)


async def _refuse(response: aiohttp.ClientResponse) -> None:
    try:
        body = await response.content.read(MAX_ERROR_BYTES)
    except (aiohttp.ClientError, OSError):
        body = b""
    finally:
        response.close()
    raise EngineRefused(response.status, body, _seconds(response.headers.get("Retry-After")))


def _seconds(retry_after: str | None) -> float | None:
    """The header's number; its other form, a date, is not used by engines."""
    try:
        return float(retry_after) if retry_after else None
    except ValueError:
        return None


def _engine_error(error: Exception) -> EngineError:
    if isinstance(error, asyncio.TimeoutError):
        return EngineTimeout("the engine was silent for too long")
    return EngineUnreachable(f"the connection to the engine failed: {type(error).__name__}")
