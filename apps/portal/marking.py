"""A question's words in what was found, marked. What documents say is hostile: each piece is escaped by itself."""

import re
from collections.abc import Collection

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SHORTEST = 4  # letters; shorter words are marked where they have a digit or stand in capitals
ENDING = 3  # letters by which a word and its plural or its other forms differ
EXCERPT, BEFORE = 700, 160  # characters
WORD = re.compile(r"\w+")
COMMON = (
    "about been could does from have into many much should some than that their them then there they this were what"
    " when where which will with would your"
)


def marks_of(question: str) -> frozenset[str]:
    """The words that are worth marking."""
    words = {word.casefold() for word in WORD.findall(question) if _tells(word)}
    return frozenset(words.difference(COMMON.split()))


def marked(text: str, marks: Collection[str]) -> SafeString:
    pieces, end = list[SafeString](), 0
    for found in WORD.finditer(text):
        if _is_one_of(found.group().casefold(), marks):
            pieces += [format_html("{}<mark>{}</mark>", text[end : found.start()], found.group())]
            end = found.end()
    pieces += [format_html("{}", text[end:])]
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def excerpt(text: str, marks: Collection[str]) -> str:
    """As much as is shown at once, from a little before the first mark on; the whole, where it is short."""
    if len(text) <= EXCERPT:
        return text
    places = (found.start() for found in WORD.finditer(text) if _is_one_of(found.group().casefold(), marks))
    begin = max(0, min(next(places, 0) - BEFORE, len(text) - EXCERPT))
    begin = text.find(" ", begin, begin + BEFORE) + 1 or begin if begin else 0
    end = begin + EXCERPT
    cut = text[begin:end]
    if end < len(text):
        cut = cut.rsplit(" ", 1)[0] + " …"
    return f"… {cut}" if begin else cut


def _tells(word: str) -> bool:
    return len(word) >= SHORTEST or any(letter.isdigit() for letter in word) or (len(word) > 1 and word.isupper())


def _is_one_of(word: str, marks: Collection[str]) -> bool:
    return any(word == mark or _are_forms(word, mark) for mark in marks)


def _are_forms(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= SHORTEST and len(longer) - len(shorter) <= ENDING and longer.startswith(shorter)
