"""What was found in one passage, in a form that is fit to be kept, whoever found it."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

TYPES = ("person", "organization", "place", "event", "product", "work", "concept", "other")
TOGETHER = "appears with"
"""The relation of things that stand in one sentence, of which nothing more is known."""
LONGEST_NAME, LONGEST_TYPE, LONGEST_KEY = 120, 60, 200
MOST_NAMES, MOST_RELATIONS = 60, 120  # of one passage: more is a list of names, not a text about them
_SPACE = re.compile(r"\s+")
_AROUND = re.compile(r"^[\W_]+|[^\w.)!]+$")
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_OWNER = re.compile(r"['’]s?$")  # noqa: RUF001
_ACCENT = re.compile(r"([A-Za-z])[\u0300-\u036f]+")
_NO_WORD = re.compile(r"[\W_]+")
_COMPANY = frozenset(
    ["inc", "incorporated", "ltd", "limited", "llc", "corp", "corporation", "co", "company", "plc", "gmbh", "ag", "sa"]
)
_TITLE = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "lady", "president"])


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """As it is written."""

    text: str
    type: str


@dataclass(frozen=True, slots=True)
class Statement:
    subject: Name
    type: str
    object: Name
    confidence: float


@dataclass(frozen=True, slots=True)
class Findings:
    """`aliases`: that the first name is another one for the second."""

    names: tuple[Name, ...] = ()
    statements: tuple[Statement, ...] = ()
    aliases: tuple[tuple[Name, Name], ...] = ()


def tidy(text: str) -> str:
    """A name without what only stands around it; "" where nothing that could be one is left."""
    text = _SPACE.sub(" ", unicodedata.normalize("NFC", text).replace("\0", "")).strip()
    text = _OWNER.sub("", _AROUND.sub("", _ARTICLE.sub("", text))).strip()
    letters = sum(character.isalpha() for character in text)
    return text if letters >= 2 and len(text) <= LONGEST_NAME and text.isprintable() else ""


def key_of(name: Name) -> str:
    """What names that differ in writing alone have in common: not their case, points, accents on Latin letters, legal
    forms and titles."""
    folded = unicodedata.normalize("NFC", _ACCENT.sub(r"\1", unicodedata.normalize("NFKD", name.text)).casefold())
    words = [word for word in _NO_WORD.split(folded.replace(".", "")) if word]
    while name.type == "organization" and len(words) > 1 and words[-1] in _COMPANY:
        words.pop()
    while name.type == "person" and len(words) > 1 and words[0] in _TITLE:
        words.pop(0)
    return " ".join(words)


def relation_type(text: str) -> str:
    """A relation's name in small letters, without signs; "" where nothing is left."""
    words = _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split()
    said = " ".join(words)
    return said if len(said) <= LONGEST_TYPE else ""


def bounded(
    names: Iterable[Name], statements: Iterable[Statement], aliases: Iterable[tuple[Name, Name]] = ()
) -> Findings:
    """Each once, as many as a passage may have, and of names that have a key alone."""
    kept = [name for name in dict.fromkeys(names) if 0 < len(key_of(name)) <= LONGEST_KEY][:MOST_NAMES]
    known = set(kept)
    best: dict[tuple[Name, str, Name], Statement] = {}
    for one in statements:
        where = (one.subject, one.type, one.object)
        if one.type and {one.subject, one.object} <= known and _differ(one.subject, one.object):
            best[where] = max(best.get(where, one), one, key=lambda statement: statement.confidence)
    ranked = sorted(best.values(), key=lambda statement: -statement.confidence)[:MOST_RELATIONS]
    called = [
        (alias, name) for alias, name in dict.fromkeys(aliases) if {alias, name} <= known and _differ(alias, name)
    ]
    return Findings(tuple(kept), tuple(ranked), tuple(called))


def _differ(first: Name, second: Name) -> bool:
    return (key_of(first), first.type) != (key_of(second), second.type)
