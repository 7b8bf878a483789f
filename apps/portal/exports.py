"""Tables for spreadsheets, in which no cell can become a formula."""

import csv
import io
from collections.abc import Callable, Iterable
from decimal import Decimal

from apps.common.money import NANO_PER_USD
from apps.usage.contracts import RequestRow

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
    "cost_usd": lambda row: format(Decimal(row.cost) / NANO_PER_USD, "f"),
    "duration_ms": lambda row: row.duration_ms,
    "first_token_ms": lambda row: row.first_token_ms,
}


def neutral(cell: object) -> object:
    """Text that a spreadsheet would calculate gets an apostrophe in front."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell


def requests_csv(rows: Iterable[RequestRow]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([neutral(cell(row)) for cell in COLUMNS.values()])
    return buffer.getvalue()
