"""Names in languages that we have no model for: words written with a capital where nothing else asks for one.

Of scripts without capitals nothing is found. Which type a name is of, and what things have to do with each other but
to stand in one sentence, is not known.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from apps.knowledge.graph.language.findings import TOGETHER, Findings, Name, Statement, bounded, tidy

MOST_IN_A_SENTENCE = 6
BY_CHANCE = 0.1
ALL_NOUNS = frozenset({"de", "lb"})
"""Where each noun has a capital, two of them side by side are taken for a name."""
LONGEST_RUN = 6
_WORD = re.compile(r"[^\W\d_][\w'’-]*")  # noqa: RUF001
_SENTENCE = re.compile(r"[^.!?\n\u3002]+")
_CAPITAL = r"[^\W\d_a-z\u00df-\u00ff]"  # what is neither a small Latin letter nor a sign; isupper() decides
_RUN = re.compile(rf"{_CAPITAL}[\w'’-]+(?: (?:de|la|von|van|der|di|da|du|del|{_CAPITAL}[\w'’-]+))*")  # noqa: RUF001


def found_in(texts: Sequence[str], language: str) -> list[Findings]:
    """One of each text."""
    return [_found(text, fewest=2 if language in ALL_NOUNS else 1) for text in texts]


def _found(text: str, *, fewest: int) -> Findings:
    sentences = [sentence[0] for sentence in _SENTENCE.finditer(text)]
    elsewhere = {word for sentence in sentences for word in _without_first(sentence) if word[0].isupper()}
    names, statements = list[Name](), list[Statement]()
    for sentence in sentences:
        here = sorted(set(_names(sentence, elsewhere, fewest)))
        names += here
        if len(here) <= MOST_IN_A_SENTENCE:
            statements += [Statement(first, TOGETHER, second, BY_CHANCE) for first, second in combinations(here, 2)]
    return bounded(names, statements)


def _without_first(sentence: str) -> list[str]:
    return _WORD.findall(sentence)[1:]


def _names(sentence: str, elsewhere: set[str], fewest: int) -> Iterator[Name]:
    """The first word of a sentence has its capital for that alone, unless it has it elsewhere, too."""
    first = _WORD.search(sentence)
    for run in _RUN.finditer(sentence):
        words = run[0].split()
        if first and run.start() == first.start() and words[0] not in elsewhere:
            words.pop(0)
        while words and not words[-1][0].isupper():
            words.pop()
        while words and not words[0][0].isupper():
            words.pop(0)
        text = tidy(" ".join(words))
        if text and fewest <= len(words) <= LONGEST_RUN:
            yield Name(text, "other")
