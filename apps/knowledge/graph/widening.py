"""Further passages for a question, along the graph: what the question and the first passages name leads to relations,
and these to the passages that state them.

For the search, which calls it with what it has found; a store without a graph widens nothing. Such a passage's score
lies below that of the passage that led to it, so that it is put behind, never in front.
"""

import re
from collections.abc import Sequence

from django.db import connection

from apps.knowledge.graph import reading
from apps.knowledge.graph.contracts import Widened
from apps.knowledge.graph.language.findings import TOGETHER, Name, key_of
from apps.knowledge.models import Graph
from apps.knowledge.walls import within

MOST_WORDS = 5  # of a name in a question
LONGEST_QUESTION = 200  # words of it that are looked at
MOST_ENTITIES, MOST_STATING, MOST_CHOSEN_FROM = 24, 500, 60
OF_THE_QUESTION = 1.0  # what an entity counts that the question names, and one that its passages do
OF_PASSAGES = 0.5
BY_CHANCE = 0.3  # of what a relation counts, one that says no more than "appears with"
BEHIND = 0.9  # of the worst first passage's score, for the best further one
_WORD = re.compile(r"[\w'’.-]+")  # noqa: RUF001
NAMED = """
SELECT coalesce(e.merged_into_id, e.id) AS root, max(cardinality(e.tokens)) FROM knowledge_entity e
WHERE e.account_id = %(account)s AND e.graph_id = %(graph)s AND e.key = ANY(%(keys)s) GROUP BY 1
ORDER BY 2 DESC, 1 LIMIT %(most)s
"""
MENTIONED = """
SELECT coalesce(e.merged_into_id, e.id) AS root, array_agg(DISTINCT m.passage_id) FROM knowledge_mention m
JOIN knowledge_entity e ON e.id = m.entity_id AND e.account_id = m.account_id
WHERE m.account_id = %(account)s AND m.graph_id = %(graph)s AND m.passage_id = ANY(%(passages)s) GROUP BY 1
"""
STATING = """
SELECT r.type, coalesce(s.merged_into_id, s.id), coalesce(o.merged_into_id, o.id), v.passage_id, p.tokens, v.confidence
FROM knowledge_relation r
JOIN knowledge_evidence v ON v.relation_id = r.id AND v.account_id = r.account_id
JOIN knowledge_entity s ON s.id = r.subject_id JOIN knowledge_entity o ON o.id = r.object_id
JOIN knowledge_passage p ON p.id = v.passage_id AND p.account_id = v.account_id
JOIN knowledge_storefile d ON d.id = v.document_id AND {live}
WHERE r.account_id = %(account)s AND r.graph_id = %(graph)s AND p.id <> ALL(%(passages)s)
  AND (r.subject_id = ANY({members}) OR r.object_id = ANY({members}))
  AND (%(documents)s::bigint[] IS NULL OR d.id = ANY(%(documents)s))
ORDER BY r.type = %(together)s, v.confidence DESC, v.id LIMIT %(most)s
"""
Triple = tuple[str, int, int]


def widened(
    *,
    account_id: int,
    store_id: int,
    question: str,
    passages: Sequence[tuple[int, float]],
    most_tokens: int,
    most: int = 10,
    documents: Sequence[int] | None = None,
) -> list[Widened]:
    """The best first, at most so many, of at most so many tokens together. `passages`: numbers and scores of those that
    were found, the best first. `documents`: the files that a filter lets through; None: all of the store's."""
    graph = Graph.objects.filter(account_id=account_id, store_id=store_id, deleted_at=None).first()
    if graph is None or most_tokens <= 0 or most <= 0:
        return []
    with within(account_id):
        scope: reading.Scope = {"account": account_id, "graph": graph.pk}
        known = _entities(scope, question, passages)
        if not known:
            return []
        found = _stating(scope, known, [pk for pk, _ in passages], documents)
        names = _names(scope, {end for _, _, (_, *ends) in found.values() for end in ends})
    ceiling = BEHIND * min((score for _, score in passages), default=1.0)
    return _chosen(found, names, ceiling=ceiling, most_tokens=most_tokens, most=most)


def _entities(scope: reading.Scope, question: str, passages: Sequence[tuple[int, float]]) -> dict[int, float]:
    """By root, from 0 to 1, how much each has to do with the question."""
    words = _WORD.findall(question)[:LONGEST_QUESTION]
    spans = (words[at : at + length] for length in range(1, MOST_WORDS + 1) for at in range(len(words) - length + 1))
    keys = {key for span in spans for kind in ("person", "organization", "other") if (key := _key(span, kind))}
    best = max((score for _, score in passages), default=0.0) or 1.0
    scores = {pk: score / best for pk, score in passages}
    with connection.cursor() as cursor:
        cursor.execute(NAMED, {**scope, "keys": sorted(keys), "most": MOST_ENTITIES})
        known = {root: OF_THE_QUESTION for root, _ in cursor.fetchall()}
        cursor.execute(MENTIONED, {**scope, "passages": list(scores)})
        for root, where in cursor.fetchall():
            weight = OF_PASSAGES * max(scores[pk] for pk in where)
            known[root] = max(known.get(root, 0.0), weight)
    ranked = sorted(known.items(), key=lambda one: (-one[1], one[0]))
    return dict(ranked[:MOST_ENTITIES])


def _key(words: Sequence[str], kind: str) -> str:
    return key_of(Name(" ".join(words).removesuffix("'s"), kind))


def _stating(
    scope: reading.Scope, known: dict[int, float], passages: Sequence[int], documents: Sequence[int] | None
) -> dict[int, tuple[float, int, Triple]]:
    """By passage: its weight, its tokens, and the relation that it was found by. A relation between two known entities
    counts for both; one that only says that both stand in a sentence counts little."""
    values = {
        **scope,
        "passages": list(passages),
        "documents": None if documents is None else list(documents),
        "roots": list(known),
        "together": TOGETHER,
        "most": MOST_STATING,
    }
    found: dict[int, tuple[float, int, Triple]] = {}
    with connection.cursor() as cursor:
        cursor.execute(STATING.format(live=reading.LIVE, members=reading.MEMBERS), values)
        for kind, subject, other, passage, tokens, confidence in cursor.fetchall():
            ends = known.get(subject, 0.0) + known.get(other, 0.0)
            weight = confidence * ends / 2 * (BY_CHANCE if kind == TOGETHER else 1.0)
            if subject != other and (passage not in found or weight > found[passage][0]):
                found[passage] = weight, tokens, (kind, subject, other)
    best = sorted(found, key=lambda passage: (-found[passage][0], passage))[:MOST_CHOSEN_FROM]
    return {passage: found[passage] for passage in best}


def _names(scope: reading.Scope, roots: set[int]) -> dict[int, str]:
    return {root: one.name for root, one in reading.entities(scope, roots).items()}


def _chosen(
    found: dict[int, tuple[float, int, Triple]],
    names: dict[int, str],
    *,
    ceiling: float,
    most_tokens: int,
    most: int,
) -> list[Widened]:
    chosen, room = list[Widened](), most_tokens
    best = max((weight for weight, _, _ in found.values()), default=1.0)
    for passage, (weight, tokens, (kind, subject, other)) in sorted(
        found.items(), key=lambda one: (-one[1][0], one[0])
    ):
        if len(chosen) == most:
            break
        if tokens > room or subject not in names or other not in names:
            continue
        room -= tokens
        chosen.append(
            Widened(
                passage_id=passage,
                tokens=tokens,
                score=ceiling * weight / best,
                because=(names[subject], kind, names[other]),
            )
        )
    return chosen
