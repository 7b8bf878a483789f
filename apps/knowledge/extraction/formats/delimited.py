"""Tables in plain text: CSV and its kin, whatever separates their cells."""

import csv
import io
from collections.abc import Iterator

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.refusals import invalid

DELIMITERS = ",;\t|"
SAMPLE_LINES = 30
SAMPLE_CHARACTERS = 64 * 1024


def read(text: str, out: Collector, *, delimiter: str = "") -> None:
    """`delimiter`: "" where it is to be found out."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    delimiter, text = _stated(text) if text[:4].lower() == "sep=" else (delimiter, text)
    csv.field_size_limit(len(text) + 1)
    out.table(_rows(text, delimiter or _delimiter(text), out))


def _rows(text: str, delimiter: str, out: Collector) -> Iterator[list[str]]:
    left = out.limits.cells
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        left -= len(row)
        if left < 0:
            message = f"The table has more than {out.limits.cells:,} cells. Split it into smaller files."
            raise invalid(message)
        yield row


def _stated(text: str) -> tuple[str, str]:
    """Excel's own first line: `sep=;`."""
    first, _, rest = text.partition("\n")
    stated = first[4:5]
    return (stated, rest) if stated and stated in DELIMITERS else ("", text)


def _delimiter(text: str) -> str:
    """That which cuts the first lines into the most cells, and all into as many."""
    lines = [line for line in text[:SAMPLE_CHARACTERS].split("\n")[:SAMPLE_LINES] if line.strip()]

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, usual)

    return max(DELIMITERS, key=score)
