"""Postings of our own: which lexeme stands how often in which passage. PostgreSQL makes the lexemes, not the rank."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

K1, B = 1.2, 0.75  # of BM25, as Lucene has them
USUAL_LENGTH = 200.0  # lexemes; of the weight that orders postings, while the score knows the store's own
ADD = """
WITH words AS MATERIALIZED (
  SELECT p.id AS passage_id, w.lexeme, least(cardinality(w.positions), 255) AS frequency
  FROM knowledge_passage p,
    unnest(to_tsvector(%(configuration)s::regconfig, array_to_string(p.headings, ' ') || ' ' || p.text)) AS w
  WHERE p.account_id = %(account)s AND p.id = ANY(%(passages)s)
), lengths AS MATERIALIZED (
  SELECT passage_id, sum(frequency)::integer AS length FROM words GROUP BY 1
), terms AS (
  INSERT INTO knowledge_term (account_id, store_id, lexeme, passages)
  SELECT %(account)s, %(store)s, lexeme, count(*) FROM words GROUP BY lexeme ORDER BY lexeme
  ON CONFLICT (store_id, lexeme) DO UPDATE SET passages = knowledge_term.passages + excluded.passages
  RETURNING id, lexeme
), added AS (
  INSERT INTO knowledge_posting (passage_id, term_id, frequency, length, weight)
  SELECT passage_id, terms.id, frequency, length,
    frequency / (frequency + %(k1)s * (1 - %(b)s + %(b)s * length / %(usual)s))
  FROM words JOIN terms USING (lexeme) JOIN lengths USING (passage_id)
), measured AS (
  UPDATE knowledge_passage p SET lexemes = length FROM lengths WHERE p.id = passage_id
)
SELECT coalesce(sum(length), 0) FROM lengths
"""
# Terms are taken in the order in which ADD takes them: two workers at one store never wait for each other in a ring.
REMOVE = """
WITH gone AS MATERIALIZED (
  SELECT term_id, count(*) AS passages FROM knowledge_posting WHERE passage_id = ANY(%(passages)s) GROUP BY 1
), held AS MATERIALIZED (
  SELECT t.id FROM knowledge_term t JOIN gone ON gone.term_id = t.id
  WHERE t.account_id = %(account)s ORDER BY t.lexeme FOR UPDATE OF t
), counted AS (
  UPDATE knowledge_term t SET passages = t.passages - gone.passages FROM gone JOIN held ON held.id = gone.term_id
  WHERE t.id = gone.term_id
)
DELETE FROM knowledge_posting WHERE passage_id = ANY(%(passages)s)
"""


def add_postings(*, account_id: int, store_id: int, passage_ids: Sequence[int], configuration: str) -> int:
    """Within the account's walls. How many lexemes there were, each as often as it stands there."""
    values: dict[str, Any] = {
        "account": account_id,
        "store": store_id,
        "passages": list(passage_ids),
        "configuration": configuration,
        "k1": K1,
        "b": B,
        "usual": USUAL_LENGTH,
    }
    with connection.cursor() as cursor:
        cursor.execute(ADD, values)
        return int(cursor.fetchone()[0])


def remove_postings(*, account_id: int, passage_ids: Sequence[int]) -> None:
    """Within the account's walls."""
    with connection.cursor() as cursor:
        cursor.execute(REMOVE, {"account": account_id, "passages": list(passage_ids)})
