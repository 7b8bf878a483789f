"""BM25 over postings, in time that does not grow with the words that everybody uses.

Rare words name the candidates: the postings of a question's words are read from the rarest one on, until MOST_READ
are, and of each more frequent word only the BEST that weigh most. Of the best candidates the exact score is then
reckoned: what the frequent words give to each is looked up (S. Robertson, H. Zaragoza, The Probabilistic Relevance
Framework, 2009; IDF as Lucene has it).
"""

import math
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
FEW = 5_000  # passages: where a filter lets through no more, they are told apart before they are ranked
LEXEMES = """
SELECT t.id, t.passages FROM knowledge_term t
WHERE t.account_id = %(account)s AND t.store_id = %(store)s AND t.passages > 0 AND t.lexeme IN (
  SELECT w.lexeme FROM unnest(%(configurations)s::regconfig[]) AS c, unnest(to_tsvector(c, %(query)s)) AS w
) ORDER BY t.passages, t.id LIMIT %(terms)s
"""
# The first sum orders, the second is of the words whose postings are read whole: what is left of an exact score.
RANKED = """
SELECT f.passage_id, f.exact FROM (
  SELECT passage_id, sum(part) AS score, coalesce(sum(part) FILTER (WHERE is_whole), 0) AS exact
  FROM ({parts}) AS a {narrowed} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {depth}
) AS f {joins} ORDER BY f.score DESC, f.passage_id LIMIT %(most)s
"""
NARROWED = """
WHERE passage_id IN (SELECT id FROM knowledge_passage WHERE account_id = %(account)s AND store_id = %(store)s
  AND document_id = ANY(%(documents)s))
"""
LOOKED_UP = """
SELECT l.passage_id, sum(t.weight * {part}) FROM unnest(%(passages)s::bigint[]) AS l (passage_id)
CROSS JOIN unnest(%(terms)s::bigint[], %(weights)s::float8[]) AS t (term_id, weight)
JOIN knowledge_posting p ON p.passage_id = l.passage_id AND p.term_id = t.term_id GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Term:
    id: int
    passages: int

    def weight(self, passages: int) -> float:
        """Of a store with so many passages: its IDF, times what a frequency can at most give."""
        others = max(passages, self.passages) - self.passages
        return math.log(1 + (others + 0.5) / (self.passages + 0.5)) * (K1 + 1)


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
) -> dict[int, float]:
    """The exact scores of the passages that have the best ones, or about so: of what the rarest words name."""
    if not terms:
        return {}
    read, parts, others = 0, list[str](), list[Term]()
    for term in terms:
        is_whole = read + term.passages <= most_read or not parts
        read += term.passages if is_whole else best
        others += [] if is_whole else [term]
        limit = "" if is_whole else f"ORDER BY weight DESC LIMIT {best}"
        score = f"{term.weight(scope.passages)!r}::float8 * {_part(scope)}"
        rows = f"SELECT passage_id, {score} AS part, {is_whole} AS is_whole FROM knowledge_posting"  # noqa: S608
        parts.append(f"({rows} WHERE term_id = {term.id} {limit})")
    wanted = most * WIDER
    found = _ranked(scope, parts, wanted, depth=_depth(scope, wanted))
    if len(found) < wanted and read > _depth(scope, wanted):
        found = _ranked(scope, parts, wanted, depth=read)
    rest = bm25(scope, others, list(found))
    exact = {passage: score + rest.get(passage, 0.0) for passage, score in found.items()}
    return dict(sorted(exact.items(), key=lambda one: (-one[1], one[0]))[:most])


def bm25(scope: Scope, terms: Sequence[Term], passage_ids: Sequence[int]) -> dict[int, float]:
    """The exact scores of these passages; those that have none of the words are left out."""
    if not terms or not passage_ids:
        return {}
    values: dict[str, Any] = {
        "passages": list(passage_ids),
        "terms": [term.id for term in terms],
        "weights": [term.weight(scope.passages) for term in terms],
    }
    with connection.cursor() as cursor:
        cursor.execute(LOOKED_UP.format(part=_part(scope)), values)
        return dict(cursor.fetchall())


def _ranked(scope: Scope, parts: Sequence[str], most: int, *, depth: int) -> dict[int, float]:
    """Passages and the exact part of their scores. Those that nobody may see are taken out after `depth` are ranked."""
    query = RANKED.format(
        parts=" UNION ALL ".join(parts),
        narrowed=NARROWED if _is_narrow(scope) else "",
        depth=depth,
        joins=scope.joins("f.passage_id"),
    )
    with connection.cursor() as cursor:
        cursor.execute(query, {"most": most, **scope.values})
        return dict(cursor.fetchall())


def _depth(scope: Scope, most: int) -> int:
    """So many of the best are enough as a rule, where the passages that can be seen stand among the others evenly."""
    if scope.documents is None or _is_narrow(scope):
        return most + most // 4
    return 2 * most * max(1, scope.passages) // max(1, scope.within)


def _is_narrow(scope: Scope) -> bool:
    return scope.documents is not None and scope.within <= FEW


def _part(scope: Scope) -> str:
    """What a posting gives, of the term's weight. In floating point: PostgreSQL's numbers of any length are slow."""
    average = max(1.0, scope.lexemes / max(1, scope.passages))
    return f"frequency / (frequency + {K1 * (1 - B)!r}::float8 + {K1 * B / average!r}::float8 * length)"
