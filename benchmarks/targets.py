"""The gateway's goals, held against what a run measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.cases import PROMPT_100K, STREAM_64, STREAM_512, WHOLE, Case
from benchmarks.contestants import artemis, ferrogw, litellm, relay
from benchmarks.measure import Row
from benchmarks.results import Results

MOST_TIMES_RELAY = 3.0
LEAST_TIMES_LITELLM = {WHOLE: 25.0, STREAM_64: 60.0}
MOST_ADDED_MS = 3.0
MOST_OPEN_MB = 400.0


@dataclass(frozen=True)
class Verdict:
    goal: str
    measured: str
    reached: bool


def verdicts(results: Results) -> Iterator[Verdict]:
    """Only of what was measured: a part of the run has a part of the goals."""
    for case in (WHOLE, PROMPT_100K):
        yield from _against(
            results,
            f"{case.name}: at most {MOST_TIMES_RELAY:.0f} times the relay's CPU",
            case,
            relay.NAME,
            measure=lambda ours, theirs: ours.cpu_ms / theirs.cpu_ms,
            is_reached=lambda ratio: ratio <= MOST_TIMES_RELAY,
        )
    for case in (STREAM_64, STREAM_512):
        yield from _against(
            results,
            f"{case.name}: less CPU than ferrogw (its share)",
            case,
            ferrogw.NAME,
            measure=lambda ours, theirs: ours.cpu_ms / theirs.cpu_ms,
            is_reached=lambda ratio: ratio < 1,
        )
    for case, least in LEAST_TIMES_LITELLM.items():
        yield from _against(
            results,
            f"{case.name}: LiteLLM's proxy at least {least:.0f} times the CPU",
            case,
            litellm.NAME,
            measure=lambda ours, theirs: theirs.cpu_ms / ours.cpu_ms,
            is_reached=lambda ratio, least=least: ratio >= least,
        )
    yield from _first_byte(results)
    yield from _open_streams(results)


def _against(
    results: Results,
    goal: str,
    case: Case,
    other: str,
    *,
    measure: Callable[[Row, Row], float],
    is_reached: Callable[[float], bool],
) -> Iterator[Verdict]:
    """Reached where it is at every number of connections."""
    ratios = {ours.connections: measure(ours, theirs) for ours, theirs in results.pairs(artemis.NAME, other, case.name)}
    if ratios:
        measured = ", ".join(f"{ratio:.2f} at {connections}" for connections, ratio in ratios.items())
        yield Verdict(goal, measured, all(is_reached(ratio) for ratio in ratios.values()))


def _first_byte(results: Results) -> Iterator[Verdict]:
    for case in (WHOLE, STREAM_64):
        row = results.row(artemis.NAME, case.name, 1)
        added = results.added_first_byte_ms(row) if row else None
        if added is not None:
            goal = f"{case.name}: first byte at most {MOST_ADDED_MS:.0f} ms later, one connection"
            yield Verdict(goal, f"{added:.2f} ms", added < MOST_ADDED_MS)


def _open_streams(results: Results) -> Iterator[Verdict]:
    ours = results.streams_of(artemis.NAME)
    if ours:
        yield Verdict(
            f"{ours.streams} open streams in one worker under {MOST_OPEN_MB:.0f} MB, all whole",
            f"{ours.open_mb:.0f} MB, {ours.whole} whole",
            0 < ours.open_mb < MOST_OPEN_MB and ours.whole == ours.streams,
        )
