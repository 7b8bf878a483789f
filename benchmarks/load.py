"""A light load generator: prebuilt requests over kept connections, each answer read to its end."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds and bytes of one run."""

    requests: int
    seconds: float
    latencies: list[float]
    answer_bytes: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def latency(self, share: float) -> float:
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))]


class AnswerError(Exception):
    """An answer that is not 200: what is measured would not be what it says."""


def http_request(path: str, body: bytes, *, token: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(port: int, request: bytes, *, connections: int, requests: int) -> Result:
    left = requests
    latencies: list[float] = []
    total = 0

    async def client() -> None:
        nonlocal left, total
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while left > 0:
            left -= 1
            began = time.perf_counter()
            writer.write(request)
            total += await _read_answer(reader)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    return Result(len(latencies), time.perf_counter() - began, latencies, total)


async def _read_answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise AnswerError(head.decode() + (await reader.read(2000)).decode(errors="replace"))
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    if at >= 0:
        length = int(lowered[at + 15 : lowered.index(b"\r\n", at)])
        await reader.readexactly(length)
        return length
    size = 0
    while True:
        length = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(length + 2)
        size += length
        if length == 0:
            return size
