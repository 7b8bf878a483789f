"""Passages that say nothing new: nearly all of their words stand, in this order, in one better passage, and all of
their numbers do. What merely overlaps with another, as neighbours of a document do, is kept.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from apps.knowledge.contracts import Hit

SHINGLE = 3  # words
CONTAINED = 0.9  # of a passage's shingles
# Scripts without spaces: each letter is a word.
_WIDE = "\u0e00-\u0eff\u1000-\u109f\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_WIDE}]|[^\W{_WIDE}]+")


class Distinct:
    """Remembers the passages that were let through; give it the best first. Its work for one grows with that one's
    length, not with how many there are."""

    def __init__(self) -> None:
        self.dropped = 0
        self._numbers: list[frozenset[str]] = []
        self._places: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)

    def admits(self, hit: Hit) -> bool:
        words = _WORD.findall(" ".join((*hit.headings, hit.text)).lower())
        shingles = _shingles(words)
        numbers = frozenset(word for word in words if not word.isalpha() and any(sign.isdigit() for sign in word))
        shared = Counter(place for shingle in shingles for place in self._places.get(shingle, ()))
        least = CONTAINED * len(shingles)
        if shingles and any(count >= least and numbers <= self._numbers[place] for place, count in shared.items()):
            self.dropped += 1
            return False
        for shingle in shingles:
            self._places[shingle].append(len(self._numbers))
        self._numbers.append(numbers)
        return True


def _shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    if len(words) < SHINGLE:
        return {tuple(words)} if words else set()
    return {tuple(words[place : place + SHINGLE]) for place in range(len(words) - SHINGLE + 1)}
