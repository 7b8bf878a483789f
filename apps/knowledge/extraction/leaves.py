"""Lays a document out as a row of leaves: the smallest pieces, between which it may be cut into passages."""

from collections.abc import Iterator
from dataclasses import dataclass

from semantic_text_splitter import TextSplitter

from apps.knowledge.extraction.contracts import Block, Document

WINDOW = 16_000
"""Characters that the splitter is given at once: its time is the square of a text without sentences."""
HEADERS = 2
"""A table's header is repeated where it is not longer than so many leaves."""
BOUND, WITHIN, SENTENCE, PART, BLOCK = range(5)
"""How well a cut before a leaf suits: not between a heading and its text or in a word, best between two blocks."""
SENTENCE_ENDS = tuple(".!?\u2026:;\u3002\uff01\uff1f\uff1b")


@dataclass(frozen=True, slots=True)
class Leaf:
    """`joint`: what stands between it and the leaf before. `header`: of its table, for a passage that begins with it.
    `headings`: the path above it. `level`: of a heading, else 0."""

    text: str
    joint: str
    cut: int
    headings: tuple[str, ...]
    page: int | None
    header: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    joint: str = ""
    cut: int = WITHIN
    header: str = ""


def leaves_of(document: Document, *, size: int) -> list[Leaf]:
    """`size`: of a leaf, in characters, where it can be cut so small."""
    leaves: list[Leaf] = []
    path: list[Block] = []
    cutter = Cutter(size)
    cut = BLOCK
    for block in document.blocks:
        is_heading = block.kind == "heading"
        while is_heading and path and path[-1].level >= block.level:
            path.pop()
        headings = tuple(above.text for above in path)
        for place, piece in enumerate(cutter.pieces(block)):
            if place:
                leaf = Leaf(piece.text, piece.joint, piece.cut, headings, block.page, header=piece.header)
            else:
                leaf = Leaf(piece.text, "\n\n", cut, headings, block.page, level=block.level if is_heading else 0)
            leaves.append(leaf)
        cut = BOUND if is_heading else BLOCK
        if is_heading:
            path.append(block)
    return leaves


class Cutter:
    def __init__(self, size: int) -> None:
        self._size = size
        self._splitter = TextSplitter(size, trim=False)

    def pieces(self, block: Block) -> Iterator[Piece]:
        if block.kind == "heading":
            return self._prose(f"{'#' * block.level} {block.text}")
        if block.kind == "table":
            return self._rows(block.text)
        return self._prose(block.text) if block.kind == "text" else self._lines(block.text)

    def _prose(self, text: str) -> Iterator[Piece]:
        begin, cut = 0, WITHIN
        while begin < len(text):
            end = begin + WINDOW
            if end < len(text):
                blank = max(text.rfind(" ", end - self._size, end), text.rfind("\n", end - self._size, end))
                end = blank + 1 if blank >= 0 else end
            for part in self._splitter.chunks(text[begin:end]):
                yield Piece(part, cut=max(cut, WITHIN) if part[0].isspace() else cut)
                cut = _cut_after(part)
            begin = end

    def _lines(self, text: str) -> Iterator[Piece]:
        for place, part in enumerate(text.split("\n\n")):
            joint, cut, held = "\n\n" if place else "", PART, ""
            for line in part.split("\n"):
                if held and len(held) + len(line) >= self._size:
                    yield from self._piece(Piece(held, joint, cut))
                    joint, cut, held = "\n", SENTENCE, line
                else:
                    held = f"{held}\n{line}" if held else line
            yield from self._piece(Piece(held, joint, cut))

    def _rows(self, text: str) -> Iterator[Piece]:
        lines = text.split("\n")
        header = "\n".join(lines[:2])
        repeated = header if len(header) <= HEADERS * self._size else ""
        yield from self._piece(Piece(header))
        for place, line in enumerate(lines[2:]):
            yield from self._piece(Piece(line, "\n", PART if place else BOUND, repeated))

    def _piece(self, piece: Piece) -> Iterator[Piece]:
        """Cut as prose where it is too long itself."""
        if len(piece.text) <= self._size:
            yield piece
            return
        for place, part in enumerate(self._prose(piece.text)):
            yield Piece(part.text, "" if place else piece.joint, part.cut if place else piece.cut, piece.header)


def _cut_after(text: str) -> int:
    bare = text.rstrip()
    if bare.endswith(SENTENCE_ENDS):
        return SENTENCE
    return WITHIN if bare != text else BOUND
