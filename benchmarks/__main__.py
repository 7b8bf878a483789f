"""`make bench`: Artemis, LiteLLM's proxy and a bare relay in front of the same fake engine, in one run."""

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load
from benchmarks.servers import MODEL, Contestant, artemis, bare_relay, fake_engine, litellm_proxy

STREAM_CHUNKS = 64
TARGETS = {"whole": 15.0, "stream": 40.0}
Start = Callable[[Path, int], AbstractContextManager[Contestant]]
CONTESTANTS: dict[str, Start] = {"relay": bare_relay, "artemis": artemis, "litellm": litellm_proxy}


@dataclass(frozen=True)
class Row:
    """Milliseconds of CPU and of waiting for one request."""

    contestant: str
    kind: str
    connections: int
    cpu_ms: float
    others_ms: float
    per_second: float
    median_ms: float


def body(kind: str) -> bytes:
    request = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Tell me about the moon, in a few words."},
        ],
        "max_tokens": STREAM_CHUNKS,
        "stream": kind == "stream",
    }
    return json.dumps(request).encode()


def measure(contestant: Contestant, kind: str, *, connections: int, requests: int) -> Row:
    request = load.http_request("/v1/chat/completions", body(kind), token=contestant.token)
    asyncio.run(load.run(contestant.port, request, connections=connections, requests=max(20, requests // 10)))
    cpu, others = contestant.cpu_seconds(), contestant.others_seconds()
    result = asyncio.run(load.run(contestant.port, request, connections=connections, requests=requests))
    cpu, others = contestant.cpu_seconds() - cpu, contestant.others_seconds() - others
    return Row(
        contestant.name,
        kind,
        connections,
        cpu / requests * 1000,
        others / requests * 1000,
        result.per_second,
        result.latency(0.5) * 1000,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--requests", type=int, default=3000, help="of the fast contestants; LiteLLM gets a tenth")
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16])
    options = parser.parse_args()
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory() as name,
        fake_engine(Path(name), output_tokens=STREAM_CHUNKS) as engine,
    ):
        for contestant_name in options.only:
            with CONTESTANTS[contestant_name](Path(name), engine) as contestant:
                for kind in ("whole", "stream"):
                    for connections in options.connections:
                        requests = options.requests // (10 if contestant_name == "litellm" else 1)
                        rows.append(measure(contestant, kind, connections=connections, requests=requests))
                        print(f"  measured {contestant.name}, {kind}, {connections} connections", flush=True)
    print(table(rows))
    return 0


def table(rows: list[Row]) -> str:
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}; CPU milliseconds a request, "
        f"streams of {STREAM_CHUNKS} chunks",
        "",
        "| gateway | answer | connections | CPU ms | Redis CPU ms | requests/s | median ms | LiteLLM's CPU / its |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lite = {(row.kind, row.connections): row.cpu_ms for row in rows if row.contestant == "LiteLLM proxy"}
    for row in rows:
        base = lite.get((row.kind, row.connections))
        ratio = f"{base / row.cpu_ms:.1f}" if base else ""
        lines.append(
            f"| {row.contestant} | {row.kind} | {row.connections} | {row.cpu_ms:.2f} | {row.others_ms:.2f} "
            f"| {row.per_second:.0f} | {row.median_ms:.2f} | {ratio} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
