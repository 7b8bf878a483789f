"""Tables for spreadsheets, in which no cell can become a formula."""

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

from apps.common.money import NANO_PER_USD
from apps.usage.contracts import RequestRow

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
HEADER = (
    "started_at", "request_id", "project", "key", "key_id", "model", "endpoint", "outcome", "error_code", "streamed",
    "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd", "duration_ms", "first_token_ms",
)  # fmt: skip


def neutral(cell: object) -> object:
    """Text that a spreadsheet would calculate gets an apostrophe in front."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell


def requests_csv(rows: Iterable[RequestRow]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(HEADER)
    for row in rows:
        cells = (
            row.started_at.isoformat(), row.request_id, row.project_name, row.key_name, row.key_public_id, row.model,
            row.endpoint, row.outcome, row.error_code, row.streamed, row.input_tokens, row.cached_input_tokens,
            row.output_tokens, format(Decimal(row.cost) / NANO_PER_USD, "f"), row.duration_ms, row.first_token_ms,
        )  # fmt: skip
        writer.writerow([neutral(cell) for cell in cells])
    return buffer.getvalue()
