"""How many leaves a passage holds, found with few counts of tokens, since a count may be slow."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from apps.knowledge.extraction.leaves import Leaf

SAMPLE = 4_000
"""Characters of the first count."""
TRIES = 4
"""By proportion; by halves afterwards."""
FULL = 0.9
"""What fills so much of its room is not asked to grow."""
FAR = 4
"""What is so many times longer than it should be is too long; that takes no count."""
KEPT = 8


class Measure:
    """`room`: tokens that a passage may have."""

    def __init__(self, leaves: Sequence[Leaf], *, room: int, count: Callable[[str], int]) -> None:
        self.leaves = leaves
        self.room = room
        self._count = count
        self._ends = list(accumulate((len(leaf.joint) + len(leaf.text) for leaf in leaves), initial=0))
        self._counted: dict[tuple[int, int], int] = {}
        sample = self.text(0, max(1, bisect_right(self._ends, SAMPLE) - 1))[:SAMPLE]
        self._rate = max(count(sample), 1) / max(len(sample), 1)

    def text(self, begin: int, end: int) -> str:
        first = self.leaves[begin]
        parts = [first.header, "\n"] if first.header else []
        parts.append(first.text)
        for leaf in self.leaves[begin + 1 : end]:
            parts += (leaf.joint, leaf.text)
        return "".join(parts).strip("\n").rstrip()

    def length(self, begin: int, end: int) -> int:
        """In characters, about."""
        return self._ends[end] - self._ends[begin]

    def tokens(self, begin: int, end: int) -> int:
        """Of the text from one leaf to before another; the last few counts are remembered."""
        if (begin, end) not in self._counted:
            text = self.text(begin, end)
            tokens = self._count(text)
            if tokens and text:
                self._rate = tokens / len(text)
            while len(self._counted) >= KEPT:
                del self._counted[next(iter(self._counted))]
            self._counted[begin, end] = tokens
        return self._counted[begin, end]

    def reach(self, begin: int, ends: Sequence[int]) -> int:
        """The place of the last of `ends`, which ascend, to which a passage from `begin` can go; -1 where to none."""
        fits, over, tries = -1, len(ends), 0
        aim = self.room / self._rate
        while over - fits > 1:
            guess = bisect_right(ends, aim, key=lambda end: self.length(begin, end)) - 1
            if tries >= TRIES:
                guess = (fits + over) // 2
            guess = min(max(guess, fits + 1), over - 1)
            if self.length(begin, ends[guess]) > FAR * self.room / self._rate:
                over = guess
                continue
            tokens = self.tokens(begin, ends[guess])
            if tokens > self.room:
                over = guess
            elif tokens >= FULL * self.room:
                return guess
            fits = guess if tokens <= self.room else fits
            aim = 0.98 * self.length(begin, ends[guess]) * self.room / max(tokens, 1)
            tries += 1
        return fits

    def last(self, begin: int, end: int, *, most: int) -> int:
        """The first leaf after `begin` from which to `end` there are at most `most` tokens; `end` where none is."""
        first = begin + 1
        for _ in range(TRIES):
            wanted = self._ends[end] - most / self._rate
            first = max(first, bisect_right(self._ends, wanted - 1, begin, end))
            if first >= end:
                return end
            if self.tokens(first, end) <= most:
                return first
            first += 1
        return end
