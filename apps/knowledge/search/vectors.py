"""Nearest passages by the cosine of their vectors: where few are, each is compared, else the store's index is asked."""

from collections.abc import Sequence

from django.db import connection
from pgvector import HalfVector

from apps.knowledge.search.scope import Scope

EF_SEARCH = 100
MOST_SCANNED = 40_000  # tuples, of an iterative scan under a filter
EXACT = """
SELECT v.passage_id FROM knowledge_passagevector v {joins}
WHERE v.account_id = %(account)s AND v.store_id = %(store)s AND v.model = %(model)s
ORDER BY v.embedding <=> %(vector)s::halfvec, v.passage_id LIMIT %(most)s
"""
# Not the whole vector but its distance leaves the scan; relaxed order may swap neighbours, hence the second sort.
INDEXED = """
WITH near AS MATERIALIZED (
  SELECT v.passage_id, v.embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
  FROM knowledge_passagevector v {joins}
  WHERE v.account_id = %(account)s AND v.store_id = {store} AND v.model = {model}
  ORDER BY v.embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT %(most)s
) SELECT passage_id FROM near ORDER BY distance, passage_id
"""


def nearest(scope: Scope, vector: Sequence[float], most: int) -> list[int]:
    """Passages, the nearest first. Within the account's walls."""
    if scope.documents == [] or not scope.dimensions:
        return []
    values = {**scope.values, "vector": _text(vector), "model": scope.model, "most": most}
    with connection.cursor() as cursor:
        if scope.is_small:
            cursor.execute(EXACT.format(joins=scope.joins("v.passage_id")), values)
        else:
            cursor.execute(
                f"SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {max(EF_SEARCH, most)};"
                f" SET LOCAL hnsw.max_scan_tuples = {MOST_SCANNED}"
            )
            query = INDEXED.format(
                dimensions=int(scope.dimensions),
                joins=scope.joins("v.passage_id"),
                store=int(scope.store_id),
                model=_literal(scope.model),
            )
            cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def cosines(scope: Scope, vector: Sequence[float], passage_ids: Sequence[int]) -> dict[int, float]:
    """Of these passages with the vector; from -1 to 1. Within the account's walls."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT passage_id, 1 - (embedding <=> %(vector)s::halfvec) FROM knowledge_passagevector
               WHERE account_id = %(account)s AND model = %(model)s AND passage_id = ANY(%(passages)s)""",
            {
                "vector": _text(vector),
                "account": scope.account_id,
                "model": scope.model,
                "passages": list(passage_ids),
            },
        )
        return {passage_id: float(cosine) for passage_id, cosine in cursor.fetchall()}


def _text(vector: Sequence[float]) -> str:
    return str(HalfVector(list(vector)).to_text())


def _literal(text: str) -> str:
    """A partial index is only chosen for a constant; a percent sign would be taken for a placeholder."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"
