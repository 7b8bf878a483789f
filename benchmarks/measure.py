"""Measures one case in front of one contestant: CPU, requests a second, and how long a caller waited."""

import asyncio
from dataclasses import dataclass

import uvloop

from benchmarks import load
from benchmarks.cases import Case
from benchmarks.contestants.contestant import Contestant

PATH = "/v1/chat/completions"
PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Row:
    """Milliseconds for one request."""

    contestant: str
    case: str
    connections: int
    cpu_ms: float
    others_ms: float
    per_second: float
    median_ms: float
    p99_ms: float
    first_byte_ms: float


def request_to(contestant: Contestant, case: Case) -> bytes:
    return load.http_request(PATH, case.body(contestant.model), token=contestant.token, headers=contestant.headers)


def measure(contestant: Contestant, case: Case, *, connections: int, requests: int) -> Row:
    _run(contestant, case, connections=connections, requests=max(10, connections, requests // 10))  # warm
    cpu, others = contestant.cpu_seconds(), contestant.others_seconds()
    result = _run(contestant, case, connections=connections, requests=requests)
    cpu, others = contestant.cpu_seconds() - cpu, contestant.others_seconds() - others
    return Row(
        contestant=contestant.name,
        case=case.name,
        connections=connections,
        cpu_ms=cpu / requests * 1000,
        others_ms=others / requests * 1000,
        per_second=result.per_second,
        median_ms=load.quantile(result.latencies, 0.5) * 1000,
        p99_ms=load.quantile(result.latencies, 0.99) * 1000,
        first_byte_ms=load.quantile(result.first_bytes, 0.5) * 1000,
    )


def _run(contestant: Contestant, case: Case, *, connections: int, requests: int) -> load.Result:
    asking = load.run(
        contestant.port,
        request_to(contestant, case),
        connections=connections,
        requests=requests,
        last_words=case.last_words,
    )
    return uvloop.run(asyncio.wait_for(asking, PATIENCE_SECONDS))
