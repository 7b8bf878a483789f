"""The fault suite's table, printed at the end of a run."""

from typing import Any

ROWS: list[tuple[str, bool, str, float, tuple[int, ...], int, int]] = []
HEAD = ("fault", "answer", "the caller saw", "seconds", "tries (own, own, Claude)", "tokens billed", "nano-USD")


def table() -> list[str]:
    rows: list[tuple[Any, ...]] = [HEAD]
    for name, stream, saw, took, tries, tokens, cost in ROWS:
        rows.append(
            (name, "stream" if stream else "whole", saw, f"{took:.2f}", " ".join(map(str, tries)), tokens, cost)
        )
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
