"""Takes blocks from the readers of formats, in order, and holds them to what may come out."""

from collections.abc import Iterable, Sequence

from apps.knowledge.extraction.contracts import Block, Kind, Limits
from apps.knowledge.extraction.normalising import normalised, on_one_line
from apps.knowledge.extraction.refusals import invalid

MOST_COLUMNS = 2_000


class Collector:
    """Raises UnreadableError where the document has more than its limits allow."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.blocks: list[Block] = []
        self.page: int | None = None
        self._room = limits.text

    def heading(self, text: str, *, level: int) -> None:
        self._take("heading", on_one_line(text), level=min(max(level, 1), 6))

    def text(self, text: str) -> None:
        self._take("text", text.strip())

    def code(self, text: str) -> None:
        self._take("code", text)

    def list(self, items: Iterable[str]) -> None:
        """`items` with their own marks and indentation."""
        self._take("list", "\n".join(items))

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """The first row is the header. Rows and columns without a word are left out."""
        kept = [[on_one_line(cell) for cell in row] for row in rows]
        kept = [row for row in kept if any(row)]
        if not kept:
            return
        width = max(len(row) for row in kept)
        used = [place for place in range(width) if any(place < len(row) and row[place] for row in kept)]
        if len(used) > MOST_COLUMNS:
            message = (
                f"A table has {len(used):,} columns; at most {MOST_COLUMNS:,} can be read. Split it and try again."
            )
            raise invalid(message)
        lines = [_row(row[place] if place < len(row) else "" for place in used) for row in kept]
        lines.insert(1, "|" + " --- |" * len(used))
        self._take("table", "\n".join(lines))

    def _take(self, kind: Kind, text: str, *, level: int = 0) -> None:
        text = normalised(text)
        if not text or text.isspace():
            return
        self._room -= len(text.encode())
        if self._room < 0:
            most = self.limits.text // 1024
            message = f"The document holds more than {most:,} KiB of text. Split it into smaller files."
            raise invalid(message)
        if len(self.blocks) >= self.limits.blocks:
            message = f"The document has more than {self.limits.blocks:,} paragraphs. Split it into smaller files."
            raise invalid(message)
        self.blocks.append(Block(kind=kind, text=text, level=level, page=self.page))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
