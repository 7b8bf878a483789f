"""Measures many slow streams open at once in one worker: memory, CPU, and whether each of them ended whole."""

import asyncio
import re
from dataclasses import dataclass

import uvloop

from benchmarks import load
from benchmarks.cases import SLOW_STREAM, SLOW_STREAMS
from benchmarks.contestants.contestant import Contestant
from benchmarks.measure import request_to

WARM_STREAMS = 5
PATIENCE_SECONDS = 120
NUMBER = re.compile(rb"token (\d+)")


@dataclass(frozen=True)
class OpenStreams:
    contestant: str
    streams: int
    whole: int
    before_mb: float
    open_mb: float
    """Nought where they were never all open at once."""
    cpu_ms: float
    """Of a stream; others_ms beside it, as in the other table."""
    others_ms: float
    tokens_per_second: float
    """Of a stream, at the median: less than was asked for where gateway, engine or load were short of CPU."""

    @property
    def kb_per_stream(self) -> float:
        return max(0.0, self.open_mb - self.before_mb) * 1000 / self.streams


@dataclass(frozen=True)
class _Opened:
    memory_bytes: int
    answers: list[load.Answer | BaseException]


def measure_open_streams(contestant: Contestant, *, streams: int = SLOW_STREAMS) -> OpenStreams:
    request = request_to(contestant, SLOW_STREAM)
    uvloop.run(_open(contestant, request, streams=WARM_STREAMS))
    before = contestant.memory_bytes()
    cpu, others = contestant.cpu_seconds(), contestant.others_seconds()
    opened = uvloop.run(_open(contestant, request, streams=streams))
    cpu, others = contestant.cpu_seconds() - cpu, contestant.others_seconds() - others
    whole = [one for one in opened.answers if isinstance(one, load.Answer) and _is_whole(one)]
    seconds = load.quantile([one.seconds for one in whole], 0.5) if whole else float("inf")
    return OpenStreams(
        contestant=contestant.name,
        streams=streams,
        whole=len(whole),
        before_mb=before / 1e6,
        open_mb=opened.memory_bytes / 1e6,
        cpu_ms=cpu / streams * 1000,
        others_ms=others / streams * 1000,
        tokens_per_second=SLOW_STREAM.tokens / seconds,
    )


async def _open(contestant: Contestant, request: bytes, *, streams: int) -> _Opened:
    """Memory is the most that is seen, twice a second, while all of them have begun and none has ended."""
    connections = [await load.Connection.open(contestant.port) for _ in range(streams)]
    answers = [connection.ask(request) for connection in connections]
    finishing = asyncio.gather(*answers, return_exceptions=True)
    memory = 0
    late = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, lambda: [answer.cancel() for answer in answers])
    while not finishing.done():
        await asyncio.wait([finishing], timeout=0.5)
        all_begun = all(connection.first_byte is not None for connection in connections)
        if all_begun and not any(answer.done() for answer in answers):
            memory = max(memory, await asyncio.to_thread(contestant.memory_bytes))
    late.cancel()
    for connection in connections:
        connection.close()
    return _Opened(memory, finishing.result())


def _is_whole(answer: load.Answer) -> bool:
    """Every token, once and in its turn."""
    numbers = [int(number) for number in NUMBER.findall(answer.body)]
    return numbers == list(range(1, SLOW_STREAM.tokens + 1)) and b"[DONE]" in answer.body
