"""Readiness probes over plain sockets: the supervisor needs no HTTP library to know that a server answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


async def http_get(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 5.0) -> Answer:
    """GET an http:// address. Speaks HTTP/1.0, so that the answer is neither chunked nor kept open.

    Raises OSError when nobody answers and asyncio.TimeoutError when the answer takes too long.
    """
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {path} HTTP/1.0",
        f"Host: {parts.netloc}",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")
    raw = await asyncio.wait_for(_exchange(parts.hostname or "127.0.0.1", parts.port or 80, request), timeout)
    head, _, body = raw.partition(b"\r\n\r\n")
    try:
        return Answer(status=int(head.split(b" ", 2)[1]), body=body)
    except (IndexError, ValueError) as error:
        raise ConnectionError(f"{url} did not answer in HTTP") from error


async def _exchange(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        raw = b""
        while len(raw) < MAX_ANSWER_BYTES and (part := await reader.read(65_536)):
            raw += part
        return raw
    finally:
        writer.close()


def http_ready(
    url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 2.0
) -> Callable[[], Awaitable[bool]]:
    """A probe that is satisfied by a 2xx."""

    async def probe() -> bool:
        answer = await http_get(url, headers=headers, timeout=timeout)
        return 200 <= answer.status < 300

    return probe


def tcp_ready(host: str, port: int) -> Callable[[], Awaitable[bool]]:
    """A probe that is satisfied by an accepted connection, for servers that speak no HTTP."""

    async def probe() -> bool:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True

    return probe
