"""Cuts a document into passages along its structure: sections first, then blocks, rows, lines and sentences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from apps.knowledge.extraction.contracts import Document, Passage
from apps.knowledge.extraction.leaves import BOUND, Leaf, leaves_of
from apps.knowledge.extraction.measuring import Measure

FEWEST_TOKENS = 16
SMALLEST_LEAF = 120
"""Characters: about a sentence."""
TAIL = 2 / 3
"""A passage may end after this part of what it could hold, for the sake of a better cut."""


def split(
    document: Document, *, max_tokens: int = 800, overlap: int = 400, count: Callable[[str], int]
) -> list[Passage]:
    """The same document gives the same passages, if `count` says the same. `overlap`: tokens of a passage's end that
    the next one of its section begins with, at most. Raises ValueError for bounds that cannot be kept."""
    if max_tokens < FEWEST_TOKENS:
        raise ValueError(f"A passage needs room for at least {FEWEST_TOKENS} tokens.")
    if not 0 <= overlap <= max_tokens // 2:
        raise ValueError("The overlap is from none to half of a passage.")
    size = min(max_tokens // 2, 2 * overlap) if overlap else max_tokens // 2
    leaves = leaves_of(document, size=max(size, SMALLEST_LEAF))
    return list(Splitter(leaves, room=max_tokens, overlap=overlap, count=count).passages()) if leaves else []


@dataclass(frozen=True, slots=True)
class Part:
    """Of a section: its own text, or a section in it."""

    begin: int
    end: int
    is_section: bool


class Splitter:
    def __init__(self, leaves: Sequence[Leaf], *, room: int, overlap: int, count: Callable[[str], int]) -> None:
        self._leaves = leaves
        self._measure = Measure(leaves, room=room, count=count)
        self._overlap = overlap
        self._count = count

    def passages(self) -> Iterator[Passage]:
        """None goes over the end of a page: it has one page to be cited by, and that is the right one."""
        begin = 0
        for _, of_page in groupby(self._leaves, key=lambda leaf: leaf.page):
            end = begin + sum(1 for _ in of_page)
            yield from self._section(begin, begin, end, first=begin)
            begin = end

    def _section(self, begin: int, lower: int, upper: int, *, first: int) -> Iterator[Passage]:
        """A section's parts, as many together as there is room for. From `begin` to `lower` stand headings above it
        that have no text of their own; `first`: where the section's own text begins."""
        parts = self._parts(lower, upper, first)
        at = 0
        while at < len(parts):
            reached = self._measure.reach(begin, [part.end for part in parts[at:]])
            if reached < 0:
                yield from self._too_large(begin, parts[at])
                begin, at = parts[at].end, at + 1
                continue
            at += reached + 1
            end = parts[at - 1].end
            if at == len(parts) or any(not leaf.level for leaf in self._leaves[begin:end]):
                yield from self._passage(begin, end)
                begin = end

    def _parts(self, lower: int, upper: int, first: int) -> list[Part]:
        begins: list[int] = []
        for place in range(first, upper):
            level = self._leaves[place].level
            if level and (not begins or level <= self._leaves[begins[-1]].level):
                begins.append(place)
        ends = [*begins[1:], upper]
        own = begins[0] if begins else upper
        parts = [Part(lower, own, is_section=False)] if own > lower else []
        return parts + [Part(begin, end, is_section=True) for begin, end in zip(begins, ends, strict=False)]

    def _too_large(self, begin: int, part: Part) -> Iterator[Passage]:
        if part.is_section:
            return self._section(begin, part.begin, part.end, first=part.begin + 1)
        return self._window(begin, part.end)

    def _window(self, begin: int, upper: int) -> Iterator[Passage]:
        """Text without a section in it: each passage begins with the end of the one before."""
        done = begin
        while done < upper:
            reached = self._measure.reach(begin, range(done + 1, upper + 1))
            if reached < 0 and begin == done:
                yield from self._broken(done)
                begin = done = done + 1
            elif reached < 0:
                begin = done  # the repeated leaves no room for what is new
            else:
                end = self._best_cut(begin, done, done + 1 + reached, upper)
                yield from self._passage(begin, end)
                begin, done = self._repeated(begin, end), end

    def _best_cut(self, begin: int, done: int, end: int, upper: int) -> int:
        if end == upper:
            return end
        least = TAIL * self._measure.length(begin, end)
        best = end
        for place in range(end, done, -1):
            if self._measure.length(begin, place) < least:
                break
            if self._leaves[place].cut > self._leaves[best].cut:
                best = place
        return best

    def _repeated(self, begin: int, end: int) -> int:
        if not self._overlap:
            return end
        first = self._measure.last(begin, end, most=self._overlap)
        return next((place for place in range(first, end) if self._leaves[place].cut > BOUND), end)

    def _passage(self, begin: int, end: int) -> Iterator[Passage]:
        text = self._measure.text(begin, end)
        if text.strip():
            leaf = self._leaves[begin]
            yield Passage(text=text, headings=leaf.headings, page=leaf.page, tokens=self._measure.tokens(begin, end))

    def _broken(self, place: int) -> Iterator[Passage]:
        """A single leaf that has more tokens than there is room for: signs that are several tokens each, as a rule."""
        leaf = self._leaves[place]
        for text in self._halves(leaf.text):
            if text:
                yield Passage(text=text, headings=leaf.headings, page=leaf.page, tokens=self._count(text))

    def _halves(self, text: str) -> Iterator[str]:
        text = text.strip()
        if self._count(text) <= self._measure.room:
            yield text
            return
        if len(text) == 1:
            raise ValueError("A single character has more tokens than a passage has room for.")
        middle = len(text) // 2
        before = max(text.rfind(blank, 1, middle) for blank in " \n") + 1
        after = text.find(" ", middle, -1) + 1
        middle = before or after or middle
        yield from self._halves(text[:middle])
        yield from self._halves(text[middle:])
