"""Prints what was measured as the tables that stand in README.md."""

import os
import platform
from collections.abc import Iterable, Sequence

from benchmarks.contestants import engine, litellm
from benchmarks.measure import Row
from benchmarks.open_streams import OpenStreams
from benchmarks.results import Results
from benchmarks.targets import verdicts


def render(results: Results) -> str:
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    parts = [machine, *results.remarks]
    if results.rows:
        parts.append(_rows(results))
    if results.open_streams:
        parts.append(_open_streams(results.open_streams))
    goals = [(one.goal, one.measured, "yes" if one.reached else "**no**") for one in verdicts(results)]
    if goals:
        parts.append(_table("goal | measured | reached", goals, words=3))
    return "\n\n".join(parts)


def _rows(results: Results) -> str:
    head = (
        "gateway | case | connections | CPU ms | Redis CPU ms | requests/s | median ms | p99 ms "
        "| added to first byte, ms | LiteLLM's CPU / its"
    )
    return _table(head, [_row(results, row) for row in results.rows], words=2)


def _row(results: Results, row: Row) -> Sequence[str]:
    is_engine = row.contestant == engine.NAME
    added = results.added_first_byte_ms(row)
    lite = None if is_engine else results.row(litellm.NAME, row.case, row.connections)
    return (
        row.contestant,
        row.case,
        str(row.connections),
        "" if is_engine else f"{row.cpu_ms:.2f}",
        f"{row.others_ms:.2f}" if row.others_ms else "",
        f"{row.per_second:.0f}",
        f"{row.median_ms:.2f}",
        f"{row.p99_ms:.2f}",
        "" if added is None else f"{added:.2f}",
        f"{lite.cpu_ms / row.cpu_ms:.1f}" if lite and row.cpu_ms else "",
    )


def _open_streams(measured: Iterable[OpenStreams]) -> str:
    head = (
        "gateway | streams open | whole | MB before | MB, all open | KB a stream | CPU ms a stream "
        "| Redis CPU ms | tokens/s a stream"
    )
    lines = [
        (
            one.contestant,
            str(one.streams),
            str(one.whole),
            f"{one.before_mb:.0f}",
            f"{one.open_mb:.0f}" if one.open_mb else "never all open",
            f"{one.kb_per_stream:.0f}" if one.open_mb else "",
            f"{one.cpu_ms:.1f}",
            f"{one.others_ms:.1f}" if one.others_ms else "",
            f"{one.tokens_per_second:.1f}",
        )
        for one in measured
    ]
    return _table(head, lines, words=1)


def _table(head: str, lines: Iterable[Sequence[str]], *, words: int) -> str:
    """The first columns hold words, the others numbers."""
    columns = len(head.split(" | "))
    rule = " | ".join(["---"] * words + ["---:"] * (columns - words))
    return "\n".join(f"| {line} |" for line in (head, rule, *(" | ".join(line) for line in lines)))
