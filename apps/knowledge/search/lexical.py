"""BM25 over postings, in time that does not grow with the words that everybody uses.

Rare words name the candidates: the postings of a question's words are read from the rarest one on, until MOST_READ
are, and of each more frequent word only the BEST that weigh most. The exact score of the best candidates is then
reckoned over all of the question's words (S. Robertson, H. Zaragoza, The Probabilistic Relevance Framework, 2009; IDF
as Lucene has it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.knowledge.search.postings import K1, B
from apps.knowledge.search.scope import Scope

MOST_READ = 20_000  # postings
BEST = 1_000  # of a word that is in more passages than are read whole
MOST_TERMS = 64
WIDER = 4  # times as many candidates as are wanted have their exact score reckoned
LEXEMES = """
SELECT t.id, t.passages FROM knowledge_term t
WHERE t.account_id = %(account)s AND t.store_id = %(store)s AND t.passages > 0 AND t.lexeme IN (
  SELECT w.lexeme FROM unnest(%(configurations)s::regconfig[]) AS c, unnest(to_tsvector(c, %(query)s)) AS w
) ORDER BY t.passages, t.id LIMIT %(terms)s
"""
PART = "frequency * (%(k1)s + 1) / (frequency + %(k1)s * (1 - %(b)s + %(b)s * length / %(average)s))"


@dataclass(frozen=True, slots=True)
class Term:
    id: int
    passages: int

    def idf(self, passages: int) -> str:
        return f"ln(1 + ({max(passages, self.passages)} - {self.passages} + 0.5) / ({self.passages} + 0.5))"


def terms_of(scope: Scope, query: str) -> list[Term]:
    """Of the words of a question, those that the store knows; the rarest first."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "account": scope.account_id,
            "store": scope.store_id,
            "configurations": scope.configurations or ["simple"],
            "query": query,
            "terms": MOST_TERMS,
        }
        cursor.execute(LEXEMES, values)
        return [Term(*row) for row in cursor.fetchall()]


def best_by_words(
    scope: Scope, terms: Sequence[Term], most: int, *, most_read: int = MOST_READ, best: int = BEST
) -> list[int]:
    """Passages by their BM25, the best first, or about so: of what the rarest words name."""
    if not terms:
        return []
    read, parts = 0, list[str]()
    for term in terms:
        whole = read + term.passages <= most_read or not parts
        read += term.passages if whole else best
        limit = "" if whole else f"ORDER BY weight DESC LIMIT {best}"
        score = f"{term.idf(scope.passages)} * {PART}"
        rows = f"SELECT passage_id, {score} AS part FROM knowledge_posting WHERE term_id = {term.id} {limit}"  # noqa: S608
        parts.append(f"({rows})")
    found = " UNION ALL ".join(parts)
    values = {**_constants(scope), "most": most * WIDER, **scope.values}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT f.passage_id FROM (SELECT passage_id, sum(part) AS score FROM ({found}) AS a GROUP BY 1) AS f
                {scope.joins("f.passage_id")} ORDER BY f.score DESC, f.passage_id LIMIT %(most)s""",  # noqa: S608
            values,
        )
        ids = [row[0] for row in cursor.fetchall()]
    scores = bm25(scope, terms, ids)
    return sorted(ids, key=lambda passage_id: (-scores.get(passage_id, 0.0), passage_id))[:most]


def bm25(scope: Scope, terms: Sequence[Term], passage_ids: Sequence[int]) -> dict[int, float]:
    """The exact scores of these passages; those that have none of the words are left out."""
    if not terms or not passage_ids:
        return {}
    weighed = ", ".join(f"({term.id}::bigint, {term.idf(scope.passages)})" for term in terms)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT passage_id, sum(idf * {PART}) FROM (VALUES {weighed}) AS t (term_id, idf)
                JOIN knowledge_posting USING (term_id) WHERE passage_id = ANY(%(passages)s) GROUP BY 1""",  # noqa: S608
            {**_constants(scope), "passages": list(passage_ids)},
        )
        return {passage_id: float(score) for passage_id, score in cursor.fetchall()}


def _constants(scope: Scope) -> dict[str, Any]:
    return {"k1": K1, "b": B, "average": max(1.0, scope.lexemes / max(1, scope.passages))}
