"""`make bench`: Artemis and other gateways in front of the same fake engine, in one run."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import tables
from benchmarks.cases import CASES, SLOW_STREAM, SLOW_TOKENS_PER_SECOND, Case
from benchmarks.contestants import CONTESTANTS
from benchmarks.contestants.contestant import AbsentError, Contestant
from benchmarks.contestants.engine import running_engine
from benchmarks.load import AnswerError
from benchmarks.measure import measure
from benchmarks.open_streams import measure_open_streams
from benchmarks.processes import NotStartedError, allow_many_files
from benchmarks.results import Results

SLOWER = {"litellm": 10, "portkey": 3}
"""Asked so many times less often than the others."""
LEFT_OUT = {("litellm", "stream-512", 128), ("litellm", SLOW_STREAM.name, None)}
"""Minutes each, and nothing to learn from them."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    cases = [*CASES, SLOW_STREAM.name]
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--requests", type=int, default=3000, help="of whole answers; streams are asked for less often")
    return parser.parse_args()


def main() -> int:
    options = parse()
    allow_many_files()
    results = Results()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_engine(folder) as engine:
            for contestant in options.only:
                compare(results, contestant, folder, engine, options)
        if SLOW_STREAM.name in options.cases:
            with running_engine(folder, tokens_per_second=SLOW_TOKENS_PER_SECOND, workers=2) as engine:
                for contestant in options.only:
                    hold_open(results, contestant, folder, engine)
    print(tables.render(results))
    return 0  # whatever the timings: another machine has others


def compare(results: Results, name: str, folder: Path, engine: int, options: argparse.Namespace) -> None:
    """Every case that is wanted, at every number of connections."""
    cases = [CASES[case] for case in options.cases if case in CASES]
    connections = [1] if name == "engine" else options.connections
    try:
        with CONTESTANTS[name](folder, engine) as contestant:
            for case in cases:
                for many in connections:
                    if (name, case.name, many) not in LEFT_OUT:
                        requests = int(options.requests * case.share / SLOWER.get(name, 1))
                        _compare_one(results, contestant, case, connections=many, requests=max(requests, 2 * many))
    except (AbsentError, NotStartedError) as absent:
        _remark(results, f"{name} was skipped: {absent}")


def _compare_one(results: Results, contestant: Contestant, case: Case, *, connections: int, requests: int) -> None:
    try:
        results.rows.append(measure(contestant, case, connections=connections, requests=requests))
        print(f"  measured {contestant.name}, {case.name}, {connections} connections", flush=True)
    except (AnswerError, OSError) as error:
        _remark(results, f"{contestant.name} failed at {case.name}, {connections} connections: {error!r}")


def hold_open(results: Results, name: str, folder: Path, engine: int) -> None:
    """In a fresh process, so that memory before is that of a gateway which has just started."""
    if (name, SLOW_STREAM.name, None) in LEFT_OUT or name == "engine":
        return
    try:
        with CONTESTANTS[name](folder, engine) as contestant:
            results.open_streams.append(measure_open_streams(contestant))
            print(f"  measured {contestant.name}, {SLOW_STREAM.name}", flush=True)
    except (AbsentError, NotStartedError) as absent:
        _remark(results, f"{name} was skipped: {absent}")
    except (AnswerError, OSError) as error:
        _remark(results, f"{name} failed at {SLOW_STREAM.name}: {error!r}")


def _remark(results: Results, remark: str) -> None:
    if remark not in results.remarks:
        results.remarks.append(remark)
        print(f"  {remark}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
