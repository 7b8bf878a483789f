"""Tables for spreadsheets, in which no cell can become a formula."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from apps.common.money import plain_usd
from apps.usage.contracts import RequestRow, UsageBucket, UsageTotals

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS: dict[str, Callable[[RequestRow], object]] = {
    "started_at": lambda row: row.started_at.isoformat(),
    "request_id": lambda row: row.request_id,
    "project": lambda row: row.project_name,
    "key": lambda row: row.key_name,
    "key_id": lambda row: row.key_public_id,
    "model": lambda row: row.model,
    "endpoint": lambda row: row.endpoint,
    "outcome": lambda row: row.outcome,
    "error_code": lambda row: row.error_code,
    "streamed": lambda row: row.streamed,
    "input_tokens": lambda row: row.input_tokens,
    "cached_input_tokens": lambda row: row.cached_input_tokens,
    "output_tokens": lambda row: row.output_tokens,
    "reasoning_tokens": lambda row: row.reasoning_tokens,
    "searches": lambda row: row.searches,
    "service_tier": lambda row: row.service_tier,
    "cost_usd": lambda row: plain_usd(row.cost),
    "duration_ms": lambda row: row.duration_ms,
    "first_token_ms": lambda row: row.first_token_ms,
}
SUMS: dict[str, Callable[[UsageTotals], object]] = {
    "requests": lambda totals: totals.requests,
    "failed_requests": lambda totals: totals.failed_requests,
    "input_tokens": lambda totals: totals.input_tokens,
    "cached_input_tokens": lambda totals: totals.cached_input_tokens,
    "output_tokens": lambda totals: totals.output_tokens,
    "reasoning_tokens": lambda totals: totals.reasoning_tokens,
    "searches": lambda totals: totals.searches,
    "cost_usd": lambda totals: plain_usd(totals.cost),
}


def neutral(cell: object) -> object:
    """Text that a spreadsheet would calculate gets an apostrophe in front."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell


def requests_csv(rows: Iterable[RequestRow]) -> str:
    return _table(list(COLUMNS), ([cell(row) for cell in COLUMNS.values()] for row in rows))


def breakdown_csv(buckets: Iterable[UsageBucket], *, columns: Sequence[str]) -> str:
    """A row for each group of each hour or day; `columns` are what its label and identifier are called."""
    rows = (
        [
            bucket.start.isoformat(),
            *(bucket.label, bucket.identifier)[: len(columns)],
            *(cell(bucket.totals) for cell in SUMS.values()),
        ]
        for bucket in buckets
    )
    return _table(["start", *columns, *SUMS], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    writer.writerows([neutral(cell) for cell in row] for row in rows)
    return buffer.getvalue()
