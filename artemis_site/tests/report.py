"""Tables of what was seen, printed at the end of a run: the fault suite's, and others by their titles.

What xdist's workers have seen, they tell who directs them.
"""

import json
from collections.abc import Sequence
from typing import Any

TABLES: dict[str, list[str]] = {}
ROWS: list[tuple[str, bool, str, float, tuple[int, ...], int, int]] = []
HEAD = ("fault", "answer", "the caller saw", "seconds", "tries (own, own, Claude)", "tokens billed", "nano-USD")


def seen() -> str:
    return json.dumps([ROWS, TABLES])


def heard(report: str) -> None:
    rows, tables = json.loads(report)
    ROWS.extend(map(tuple, rows))
    TABLES.update(tables)


def table() -> list[str]:
    rows: list[tuple[Any, ...]] = [HEAD]
    for name, stream, saw, took, tries, tokens, cost in ROWS:
        rows.append(
            (name, "stream" if stream else "whole", saw, f"{took:.2f}", " ".join(map(str, tries)), tokens, cost)
        )
    return aligned(rows)


def aligned(rows: Sequence[Sequence[Any]]) -> list[str]:
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
