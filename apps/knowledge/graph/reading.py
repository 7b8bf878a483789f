"""A graph's entities and relations as they are after merges, from what documents say that are there now.

Within the account's walls. Roots are numbers of entities that others were merged into; they stand for all of them.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection

from apps.knowledge.graph.contracts import EntityFacts, EntityRef, RelationFacts
from apps.knowledge.graph.language.findings import TOGETHER

MOST_ALIASES = 10
BY_CHANCE_AT_MOST = 0.5  # confidence of what only stands together, however often
LIVE = "d.deleted_at IS NULL AND d.status = 'completed'"
RANKED = """
WITH counted AS (
  SELECT coalesce(e.merged_into_id, e.id) AS root, count(*) AS mentions
  FROM knowledge_entity e
  JOIN knowledge_mention m ON m.entity_id = e.id AND m.account_id = e.account_id
  JOIN knowledge_storefile d ON d.id = m.document_id AND {live}
  WHERE e.account_id = %(account)s AND e.graph_id = %(graph)s {which}
  GROUP BY 1
) SELECT c.root FROM counted c JOIN knowledge_entity r ON r.id = c.root AND r.account_id = %(account)s
WHERE true {having} ORDER BY c.mentions DESC, c.root LIMIT %(most)s
"""
FACTS = """
WITH counted AS (
  SELECT coalesce(e.merged_into_id, e.id) AS root, count(*) AS mentions,
    count(DISTINCT m.document_id) AS documents, array_agg(DISTINCT m.surface ORDER BY m.surface) AS surfaces,
    coalesce(mode() WITHIN GROUP (ORDER BY m.surface) FILTER (WHERE e.merged_into_id IS NULL),
             mode() WITHIN GROUP (ORDER BY m.surface)) AS name
  FROM knowledge_entity e
  JOIN knowledge_mention m ON m.entity_id = e.id AND m.account_id = e.account_id
  JOIN knowledge_storefile d ON d.id = m.document_id AND {live}
  WHERE e.account_id = %(account)s AND e.graph_id = %(graph)s AND e.id = ANY({members})
  GROUP BY 1
) SELECT c.root, r.public_id, c.name, r.type, c.surfaces, c.mentions, c.documents
FROM counted c JOIN knowledge_entity r ON r.id = c.root AND r.account_id = %(account)s
ORDER BY c.mentions DESC, c.root
"""
RELATIONS = """
WITH stated AS (
  SELECT coalesce(s.merged_into_id, s.id) AS subject, r.type, coalesce(o.merged_into_id, o.id) AS object,
    min(r.id) AS id, count(DISTINCT v.passage_id) AS passages,
    least(1 - exp(sum(ln(1 - v.confidence))), CASE WHEN r.type = %(together)s THEN %(by_chance)s ELSE 0.99 END)
      AS confidence
  FROM knowledge_relation r
  JOIN knowledge_entity s ON s.id = r.subject_id AND s.account_id = r.account_id
  JOIN knowledge_entity o ON o.id = r.object_id AND o.account_id = r.account_id
  JOIN knowledge_evidence v ON v.relation_id = r.id AND v.account_id = r.account_id
  JOIN knowledge_storefile d ON d.id = v.document_id AND {live}
  WHERE r.account_id = %(account)s AND r.graph_id = %(graph)s
    AND coalesce(s.merged_into_id, s.id) <> coalesce(o.merged_into_id, o.id) {which}
  GROUP BY 1, 2, 3
) SELECT t.id, r.public_id, t.subject, t.type, t.object, t.confidence, t.passages
FROM stated t JOIN knowledge_relation r ON r.id = t.id AND r.account_id = %(account)s
WHERE t.confidence >= %(least)s {having} ORDER BY t.confidence DESC, t.passages DESC, t.id LIMIT %(most)s
"""
MEMBERS = (
    "ARRAY(SELECT id FROM knowledge_entity WHERE account_id = %(account)s AND graph_id = %(graph)s"
    " AND (id = ANY(%(roots)s) OR merged_into_id = ANY(%(roots)s)))"
)
NAMED = f"""
AND coalesce(e.merged_into_id, e.id) IN (
  SELECT coalesce(n.merged_into_id, n.id) FROM knowledge_entity n
  WHERE n.account_id = %(account)s AND n.graph_id = %(graph)s AND position(%(search)s IN n.key) > 0
  AND EXISTS (SELECT FROM knowledge_mention m JOIN knowledge_storefile d ON d.id = m.document_id AND {LIVE}
              WHERE m.entity_id = n.id AND m.account_id = n.account_id))
"""  # noqa: S608
Scope = dict[str, Any]
"""The account's and the graph's numbers, by these names."""
Edge = tuple[int, str, int, str, int, float, int]
"""Number, id, subject, type, object, confidence, passages."""


def entities(scope: Scope, roots: Collection[int]) -> dict[int, EntityFacts]:
    """By root, the most mentioned first."""
    with connection.cursor() as cursor:
        cursor.execute(FACTS.format(live=LIVE, members=MEMBERS), {**scope, "roots": list(roots)})
        return {
            root: EntityFacts(
                id=public_id,
                name=name,
                type=type_,
                aliases=tuple(one for one in surfaces if one != name)[:MOST_ALIASES],
                mentions=mentions,
                documents=documents,
            )
            for root, public_id, name, type_, surfaces, mentions, documents in cursor.fetchall()
        }


def most_mentioned(
    scope: Scope, *, search: str = "", kind: str = "", after: tuple[int, int] | None = None, most: int
) -> list[int]:
    """Roots. `search`: a normalised name, or a part of one. `after`: mentions and root."""
    which, having, values = "", "", {**scope, "most": most}
    if search:
        which, values["search"] = NAMED, search
    if kind:
        having, values["kind"] = " AND r.type = %(kind)s", kind
    if after:
        having += " AND (-c.mentions, c.root) > (%(mentions)s, %(after)s)"
        values |= {"mentions": -after[0], "after": after[1]}
    with connection.cursor() as cursor:
        cursor.execute(RANKED.format(live=LIVE, which=which, having=having), values)
        return [root for (root,) in cursor.fetchall()]


def edges(
    scope: Scope,
    *,
    touching: Collection[int] | None = None,
    among: Collection[int] | None = None,
    number: int | None = None,
    kind: str = "",
    least: float = 0.0,
    after: tuple[float, int, int] | None = None,
    most: int,
) -> list[Edge]:
    """The surest first: those of these entities, those between these, or the one that this number stands in."""
    which, having, values = "", "", {**scope, "most": most, "least": least}
    values |= {"together": TOGETHER, "by_chance": BY_CHANCE_AT_MOST}
    if touching is not None:
        which, values["roots"] = f" AND (r.subject_id = ANY({MEMBERS}) OR r.object_id = ANY({MEMBERS}))", list(touching)
    if among is not None:
        which, values["roots"] = f" AND r.subject_id = ANY({MEMBERS}) AND r.object_id = ANY({MEMBERS})", list(among)
    if number is not None:
        which += """ AND (r.type, coalesce(s.merged_into_id, s.id), coalesce(o.merged_into_id, o.id)) = (
          SELECT w.type, coalesce(a.merged_into_id, a.id), coalesce(b.merged_into_id, b.id) FROM knowledge_relation w
          JOIN knowledge_entity a ON a.id = w.subject_id JOIN knowledge_entity b ON b.id = w.object_id
          WHERE w.id = %(number)s AND w.account_id = %(account)s AND w.graph_id = %(graph)s)"""
        values["number"] = number
    if kind:
        which, values["kind"] = which + " AND r.type = %(kind)s", kind
    if after:
        having = " AND (-t.confidence, -t.passages, t.id) > (%(confidence)s, %(passages)s, %(after)s)"
        values |= {"confidence": -after[0], "passages": -after[1], "after": after[2]}
    with connection.cursor() as cursor:
        cursor.execute(RELATIONS.format(live=LIVE, which=which, having=having), values)
        return [(*row[:5], float(row[5]), row[6]) for row in cursor.fetchall()]


def relations(scope: Scope, found: Sequence[Edge]) -> list[RelationFacts]:
    """With the names of their ends."""
    roots = {end for edge in found for end in (edge[2], edge[4])}
    named = {root: ref(one) for root, one in entities(scope, roots).items()}
    return [
        RelationFacts(
            id=public_id, subject=named[subject], type=kind, object=named[other], confidence=confidence, passages=count
        )
        for _, public_id, subject, kind, other, confidence, count in found
        if subject in named and other in named
    ]


def ref(entity: EntityFacts) -> EntityRef:
    return EntityRef(id=entity.id, name=entity.name, type=entity.type)
