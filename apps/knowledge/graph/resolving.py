"""Which entities are one, where that is sure: a name without a type that only one thing of a type has, what a text says
so itself, a surname that only one person has, and names that differ in little and stand in the same context. But for
the first, always of one type.

What is written alike but for case, points or legal forms has one key, and is one entity from the beginning.
"""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from django.db import connection
from django.db.models import Q

from apps.knowledge.graph.merging import join, part, roots_of
from apps.knowledge.models import Entity, EntityType, Mention, Merge, MergeReason, Relation

CALLED = "also called"
"""The relation of a name to another of the same thing."""
WEAK = (EntityType.OTHER, EntityType.CONCEPT)
NEARLY, SAME_CONTEXT = 0.92, 0.85  # of two names' letters, and the cosine of their passages
SHORTEST = 6  # letters of names that may be nearly the same
MOST_COMPARED = 5000
EMBED = """
UPDATE knowledge_entity e SET embedding = (
  SELECT avg(v.embedding) FROM (
    SELECT DISTINCT m.passage_id FROM knowledge_mention m WHERE m.entity_id = e.id ORDER BY m.passage_id LIMIT 16
  ) p JOIN knowledge_passagevector v ON v.passage_id = p.passage_id AND v.account_id = e.account_id
    AND v.model = (SELECT s.embedding_model FROM knowledge_graph g JOIN knowledge_vectorstore s ON s.id = g.store_id
                   WHERE g.id = e.graph_id)
) WHERE e.account_id = %s AND e.id = ANY(%s)
"""
# While a store changes its embedding model, the two may be of different ones.
NEAR = """
SELECT a.id, a.key, b.id, b.key,
  CASE WHEN vector_dims(a.embedding) = vector_dims(b.embedding) THEN 1 - (a.embedding <=> b.embedding) ELSE 0 END
FROM knowledge_entity a
JOIN knowledge_entity b ON b.graph_id = a.graph_id AND b.account_id = a.account_id AND b.type = a.type
  AND left(b.key, 8) = left(a.key, 8) AND b.id <> a.id AND abs(length(b.key) - length(a.key)) <= 3
WHERE a.account_id = %s AND a.id = ANY(%s) AND a.type <> 'person' AND length(a.key) >= %s ORDER BY a.id, b.id LIMIT %s
"""


def settle(*, account_id: int, graph_id: int, touched: Collection[int]) -> None:
    """Looks anew at entities whose mentions have changed: embeds them, parts what is not sure any more, joins what is.

    Within the account's walls and a transaction that holds the graph.
    """
    with connection.cursor() as cursor:
        cursor.execute(EMBED, [account_id, list(touched)])
    rows = list(Entity.objects.filter(account_id=account_id, graph_id=graph_id, pk__in=touched).order_by("pk"))
    _by_name(account_id, graph_id, {row.key for row in rows})
    _by_alias(account_id, graph_id, [row.pk for row in rows])
    _by_surname(account_id, graph_id, [row for row in rows if row.type == EntityType.PERSON])
    _by_nearness(account_id, graph_id, [row.pk for row in rows])


def _by_name(account_id: int, graph_id: int, keys: Collection[str]) -> None:
    """What is nothing in particular is what the same name is elsewhere, where that is one thing."""
    named: dict[str, list[Entity]] = {}
    for row in Entity.objects.filter(account_id=account_id, graph_id=graph_id, key__in=keys).order_by("pk"):
        named.setdefault(row.key, []).append(row)
    for rows in named.values():
        typed = [row for row in rows if row.type not in WEAK]
        weak = [row for row in rows if row.type in WEAK]
        made = Merge.objects.filter(account_id=account_id, gone__in=weak, reason=MergeReason.NAME, undone_at=None)
        if len(typed) > 1:
            part(account_id, list(made), undone=False)
        for row in weak if len(typed) == 1 else ():
            join(account_id, graph_id, kept=typed[0].pk, gone=row.pk, reason=MergeReason.NAME)


def _by_alias(account_id: int, graph_id: int, touched: Sequence[int]) -> None:
    """As long as a passage says so."""
    ends = Q(subject_id__in=touched) | Q(object_id__in=touched)
    said = Relation.objects.filter(ends, account_id=account_id, graph_id=graph_id, type=CALLED)
    pairs = {(name, alias) for name, alias in said.order_by("pk").values_list("subject_id", "object_id")}
    made = Merge.objects.filter(
        Q(kept_id__in=touched) | Q(gone_id__in=touched), account_id=account_id, reason=MergeReason.ALIAS, undone_at=None
    )
    part(account_id, [one for one in made if (one.kept_id, one.gone_id) not in pairs], undone=False)
    types = dict(
        Entity.objects.filter(account_id=account_id, pk__in={end for pair in pairs for end in pair}).values_list(
            "pk", "type"
        )
    )
    for name, alias in sorted(pairs):
        if types[name] == types[alias]:
            join(account_id, graph_id, kept=name, gone=alias, reason=MergeReason.ALIAS)


def _by_surname(account_id: int, graph_id: int, touched: Sequence[Entity]) -> None:
    """Of people: "Curie" is "Marie Curie" where a document names both and nobody else is called so."""
    surnames = {row.tokens[-1] for row in touched}
    people = Entity.objects.filter(
        account_id=account_id, graph_id=graph_id, type=EntityType.PERSON, tokens__overlap=list(surnames)
    )
    alone: dict[str, Entity] = {}
    whole: dict[str, list[Entity]] = {}
    for row in people.order_by("pk"):
        if len(row.tokens) == 1:
            alone[row.tokens[0]] = row
        else:
            whole.setdefault(row.tokens[-1], []).append(row)
    for surname, short in alone.items():
        named = whole.get(surname, [])
        roots = set(roots_of(account_id, [one.pk for one in named]).values())
        made = Merge.objects.filter(account_id=account_id, gone=short, reason=MergeReason.SHORT, undone_at=None)
        if len(roots) != 1:
            part(account_id, list(made), undone=False)
        elif _stand_together(account_id, short, named) and not made.exists():
            join(account_id, graph_id, kept=named[0].pk, gone=short.pk, reason=MergeReason.SHORT)


def _stand_together(account_id: int, short: Entity, named: Sequence[Entity]) -> bool:
    documents = Mention.objects.filter(account_id=account_id, entity=short).values("document_id")
    return Mention.objects.filter(account_id=account_id, entity__in=named, document_id__in=documents).exists()


def _by_nearness(account_id: int, graph_id: int, touched: Sequence[int]) -> None:
    """Names that begin alike. People's differ in a letter and are two people's."""
    with connection.cursor() as cursor:
        cursor.execute(NEAR, [account_id, list(touched), SHORTEST, MOST_COMPARED])
        pairs = cursor.fetchall()
    for row, key, other, its_key, cosine in pairs:
        if cosine >= SAME_CONTEXT and _are_near(key, its_key):
            kept, gone = sorted((row, other))
            join(account_id, graph_id, kept=kept, gone=gone, reason=MergeReason.NEAR)


def _are_near(first: str, second: str) -> bool:
    """Numbers are never nearly the same."""
    numbers = [[word for word in key.split() if any(map(str.isdigit, word))] for key in (first, second)]
    return numbers[0] == numbers[1] and SequenceMatcher(None, first, second).ratio() >= NEARLY
