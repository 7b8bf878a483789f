"""A light load generator: prebuilt requests over kept connections, each answer read to its end."""

import asyncio
import time
from dataclasses import dataclass

LAST_CHUNK = b"\r\n0\r\n\r\n"


class AnswerError(Exception):
    """An answer that is not 200, or not whole: what is measured would not be what it says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds to the first byte of the body and to its end; the body as it came, marks of its chunks included."""

    first_byte: float
    seconds: float
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of one run."""

    seconds: float
    latencies: list[float]
    first_bytes: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def http_request(path: str, body: bytes, *, token: str, headers: dict[str, str]) -> bytes:
    lines = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time. A protocol, not a stream: it must cost less than what it measures."""

    def __init__(self) -> None:
        self.first_byte: float | None = None
        self._answer: asyncio.Future[Answer] | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def close(self) -> None:
        self._transport.close()

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        self._head = b""
        self._length: int | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""
        self.first_byte = None
        self._answer = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self._transport.write(request)
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(AnswerError(f"the gateway hung up after {self._size} bytes: {error}"))

    def data_received(self, data: bytes) -> None:
        if not self._head.endswith(b"\r\n\r\n"):
            data = self._read_head(data)
        if not data:
            return
        if self.first_byte is None:
            self.first_byte = time.perf_counter() - self._began
        self._parts.append(data)
        self._size += len(data)
        self._tail = (self._tail + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
        if self._size == self._length if self._length is not None else self._tail == LAST_CHUNK:
            self._finish()

    def _read_head(self, data: bytes) -> bytes:
        """Returns what came of the body."""
        head, end, rest = (self._head + data).partition(b"\r\n\r\n")
        self._head = head + end
        if not end:
            return b""
        lowered = head.lower() + b"\r\n"
        at = lowered.find(b"content-length:")
        if at >= 0:
            self._length = int(lowered[at + 15 : lowered.index(b"\r\n", at)])
        return rest

    def _finish(self) -> None:
        if self._answer is None or self._answer.done() or self.first_byte is None:
            return
        body = b"".join(self._parts)
        if self._head.startswith(b"HTTP/1.1 200"):
            self._answer.set_result(Answer(self.first_byte, time.perf_counter() - self._began, body))
        else:
            self._answer.set_exception(AnswerError((self._head + body[:2000]).decode(errors="replace")))


async def run(port: int, request: bytes, *, connections: int, requests: int, last_words: bytes) -> Result:
    """`last_words` must be in every answer: without them it is not whole."""
    left = requests
    latencies: list[float] = []
    first_bytes: list[float] = []

    async def caller(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answer = await connection.ask(request)
            if last_words not in answer.body:
                raise AnswerError(f"cut short: {answer.body[-500:]!r}")
            latencies.append(answer.seconds)
            first_bytes.append(answer.first_byte)

    opened = [await Connection.open(port) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(caller(connection) for connection in opened))
    seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return Result(seconds, latencies, first_bytes)
