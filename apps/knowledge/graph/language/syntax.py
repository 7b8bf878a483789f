"""Relations by rule, from the syntax of a sentence: who does what to whom, appositions, prepositions, possession."""

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc, Span, Token

from apps.knowledge.graph.language.findings import Name, Statement, relation_type, tidy

SAID, BY_PREPOSITION, BESIDE, LOOSE = 0.8, 0.7, 0.7, 0.5
MOST_WORDS = 4  # of a concept
SUBJECTS, OBJECTS = ("nsubj", "nsubjpass"), ("dobj", "attr", "oprd", "dative")
_EMPTY = {"thing", "way", "one", "part", "kind", "lot", "number", "year", "day", "time", "people", "name", "example"}


class Known:
    """The names of a passage by the tokens that they stand on. Concepts come to them as relations need them."""

    def __init__(self, named: Iterable[tuple[Span, Name]]) -> None:
        self.names: list[Name] = []
        self._at: dict[int, Name] = {}
        self._concepts: set[Name] = set()
        for span, name in named:
            self.names.append(name)
            self._at.update({token.i: name for token in span})

    def at(self, token: Token) -> Name | None:
        return self._at.get(token.i)

    def add(self, token: Token, name: Name) -> None:
        self.names.append(name)
        self._at[token.i] = name

    def is_concept(self, name: Name) -> bool:
        return name in self._concepts

    def concept(self, token: Token) -> Name | None:
        """What a noun without a name means, by its own words: a "prime minister", no pronoun and no number."""
        if token.pos_ != "NOUN" or token.lemma_.lower() in _EMPTY or not token.is_alpha or len(token.text) < 3:
            return None
        words = [
            *(one.text for one in token.lefts if one.dep_ in ("compound", "amod") and one.is_alpha),
            token.lemma_ if token.tag_ == "NNS" else token.text,
        ]
        text = tidy(" ".join(words[-MOST_WORDS:]).lower())
        if not text:
            return None
        name = Name(text, "concept")
        self._concepts.add(name)
        self.add(token, name)
        return name


def statements_of(doc: Doc, known: Known) -> Iterator[Statement]:
    for token in doc:
        if token.pos_ in ("VERB", "AUX"):
            yield from _of_verb(token, known)
        elif token.dep_ == "appos":
            yield from _of_apposition(token, known)
        if token.pos_ in ("PROPN", "NOUN"):
            yield from _of_noun(token, known)


def _of_verb(verb: Token, known: Known) -> Iterator[Statement]:
    if any(child.dep_ == "neg" for child in verb.children):
        return
    subjects = [one for one in _subjects(verb) if known.at(one)]
    is_passive = any(one.dep_ == "nsubjpass" for one in _subjects(verb))
    for subject in subjects:
        who = known.at(subject)
        if who is None:
            continue
        for child in verb.children:
            if child.dep_ in OBJECTS:
                yield from _of_object(who, verb, child, known)
            elif child.dep_ == "agent":
                for doer in _objects_of(child, known):
                    yield Statement(doer, relation_type(verb.lemma_), who, SAID)
            elif child.dep_ == "prep":
                said = f"{verb.text if is_passive else verb.lemma_} {child.text}"
                for where in _objects_of(child, known):
                    yield Statement(who, relation_type(said), where, BY_PREPOSITION)


def _of_object(who: Name, verb: Token, child: Token, known: Known) -> Iterator[Statement]:
    """Of "X is the capital of Y", "capital of"; of "X founded Y", "found"."""
    if verb.lemma_ == "be":
        if known.at(child) is None:
            yield from _through(who, child, known, SAID)
        return
    for one in _and_its_equals(child):
        other = known.at(one) or known.concept(one)
        if other:
            yield Statement(who, relation_type(verb.lemma_), other, SAID)


def _of_apposition(token: Token, known: Known) -> Iterator[Statement]:
    """As in "Tim Cook, the head of Apple"."""
    who = known.at(token.head)
    if who and known.at(token) is None:
        yield from _through(who, token, known, BESIDE)


def _through(who: Name, noun: Token, known: Known, confidence: float) -> Iterator[Statement]:
    """By a noun that is no name itself: "the capital of Y", "Y's capital"."""
    before = [one.text for one in noun.lefts if one.dep_ in ("compound", "amod") and one.is_alpha][-2:]
    said = " ".join([*before, noun.lemma_])
    for child in noun.children:
        if child.dep_ == "prep":
            for other in _objects_of(child, known):
                yield Statement(who, relation_type(f"{said} {child.text}"), other, confidence)
        elif child.dep_ == "poss" and (owner := known.at(child)):
            yield Statement(who, relation_type(f"{said} of"), owner, confidence)


def _of_noun(token: Token, known: Known) -> Iterator[Statement]:
    """As in "the University of Vienna in Austria", and "Apple's head Tim Cook"."""
    who = known.at(token)
    if who is None or known.is_concept(who):
        return
    for child in token.children:
        if child.dep_ == "prep":
            for other in _objects_of(child, known):
                if other != who:
                    yield Statement(who, relation_type(child.text), other, LOOSE)
        elif child.dep_ == "poss" and (owner := known.at(child)) and owner != who:
            yield Statement(owner, "has", who, LOOSE)


def _subjects(verb: Token) -> list[Token]:
    """Its own, or those of the verb whose equal it is ("She came and saw")."""
    found = [child for child in verb.children if child.dep_ in SUBJECTS]
    if not found and verb.dep_ == "conj":
        found = [child for child in verb.head.children if child.dep_ in SUBJECTS]
    return [one for subject in found for one in _and_its_equals(subject)]


def _objects_of(preposition: Token, known: Known) -> list[Name]:
    objects = [child for child in preposition.children if child.dep_ == "pobj"]
    return [name for child in objects for one in _and_its_equals(child) if (name := known.at(one))]


def _and_its_equals(token: Token) -> list[Token]:
    return [token, *token.conjuncts]
