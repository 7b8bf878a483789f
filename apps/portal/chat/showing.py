"""A turn of a chat as HTML. What models and documents say is text: templates escape each piece of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.knowledge.contracts import Citation, Findings, Hit
from apps.knowledge.services import citations
from apps.portal.marking import excerpt, marked, marks_of

PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
SENTENCE_END = re.compile(r"[.!?\n\u3002\uff01\uff1f]\s*(?=\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Whose page it is, for the links to passages."""

    slug: str
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A passage as it is drawn."""

    number: int
    hit: Hit
    text: SafeString


@dataclass(slots=True)
class Piece:
    """A bit of an answer: text, and the citations that follow it."""

    text: str
    cited: list[Citation] = field(default_factory=list)


def found_html(found: Findings, where: Where) -> str:
    """What was searched, with the parts of the scores."""
    marks = marks_of(" ".join(found.queries))
    context = {
        "where": where,
        "queries": found.queries[:1],
        "sources": [
            Source(number=number, hit=hit, text=marked(excerpt(hit.text, marks), marks))
            for number, hit in enumerate(found.hits, 1)
        ],
        "documents": len({hit.file_id for hit in found.hits}),
        "most_bm25": max((hit.bm25 or 0.0 for hit in found.hits), default=0),
    }
    return render_to_string("portal/knowledge/chat_found.html", context)


def answer_html(text: str, found: Findings, where: Where, *, was_cut: bool) -> str:
    """The answer with its citations, and the passages that they open."""
    cited = citations(text, found.hits)
    context = {
        "where": where,
        "paragraphs": list(_paragraphs(text, cited)),
        "sources": list(_sources(text, found, cited)),
        "was_cut": was_cut,
    }
    return render_to_string("portal/knowledge/chat_answer.html", context)


def _paragraphs(text: str, cited: Sequence[Citation]) -> Iterator[list[Piece]]:
    paragraph = list[Piece]()
    for piece in _pieces(text, cited):
        first, *others = PARAGRAPH.split(piece.text)
        paragraph.append(Piece(first))
        for other in others:
            if any(one.text.strip() or one.cited for one in paragraph):
                yield paragraph
            paragraph = [Piece(other)]
        paragraph[-1].cited = piece.cited
    if any(one.text.strip() or one.cited for one in paragraph):
        yield paragraph


def _pieces(text: str, cited: Sequence[Citation]) -> Iterator[Piece]:
    """The text without the marks that stand for citations."""
    done, piece = 0, Piece("")
    for citation in sorted(cited, key=lambda one: one.index):
        if citation.index >= done and (citation.index > done or not piece.cited):
            if piece.cited:
                yield piece
            piece = Piece(text[done : citation.index])
        piece.cited.append(citation)
        done = max(done, citation.end)
    if piece.cited:
        yield piece
    yield Piece(text[done:])


def _sources(text: str, found: Findings, cited: Sequence[Citation]) -> Iterator[Source]:
    """Each passage that is cited, once; marked: the words of the question, and of what goes back to it."""
    said: dict[int, list[str]] = {}
    for citation in cited:
        said.setdefault(citation.number, []).append(_sentence_before(text, citation.index))
    for number in sorted(said):
        marks = marks_of(" ".join([found.queries[0], *said[number]]))
        hit = found.hits[number - 1]
        yield Source(number=number, hit=hit, text=marked(hit.text, marks))


def _sentence_before(text: str, index: int) -> str:
    before = text[:index].rstrip()
    ends = [end.end() for end in SENTENCE_END.finditer(before)]
    return before[ends[-1] :] if ends else before
