"""What was found in passages as rows: each once, however often it is written. In a transaction that holds the graph."""

from collections.abc import Sequence

from django.db import connection
from django.utils.crypto import get_random_string

from apps.knowledge.graph.jobs import GraphClaim
from apps.knowledge.graph.language.findings import Findings, Name, key_of
from apps.knowledge.graph.resolving import CALLED
from apps.knowledge.models import Entity, Evidence, Mention, Relation

CERTAIN = 0.95  # that one name is another's, where the text says so
ROWS = 500
Keys = dict[tuple[str, str], int]
"""Entities by key and type."""


def write(claim: GraphClaim, findings: Sequence[tuple[int, Findings]]) -> None:
    """`findings`: with the passage that each is of. Within the account's walls."""
    entities = _entities(claim, [name for _, one in findings for name in one.names])
    _keep_mentions(claim, findings, entities)
    _keep_statements(claim, findings, entities)


def _entities(claim: GraphClaim, names: Sequence[Name]) -> Keys:
    """By key and type, those that were there and those that are new."""
    by_key = {(key_of(name), name.type): name for name in reversed(names)}
    Entity.objects.bulk_create(
        (
            Entity(
                public_id=f"ent_{get_random_string(24)}",
                account_id=claim.account_id,
                graph_id=claim.graph_id,
                type=kind,
                name=name.text,
                key=key,
                tokens=key.split(),
            )
            for (key, kind), name in sorted(by_key.items())
        ),
        batch_size=ROWS,
        ignore_conflicts=True,
    )
    rows = Entity.objects.filter(
        account_id=claim.account_id, graph_id=claim.graph_id, key__in={key for key, _ in by_key}
    )
    return {(key, kind): pk for pk, key, kind in rows.values_list("pk", "key", "type")}


def _keep_mentions(claim: GraphClaim, findings: Sequence[tuple[int, Findings]], entities: Keys) -> None:
    Mention.objects.bulk_create(
        (
            Mention(
                account_id=claim.account_id,
                graph_id=claim.graph_id,
                document_id=claim.document_id,
                passage_id=passage,
                entity_id=entities[key_of(name), name.type],
                surface=name.text,
            )
            for passage, one in findings
            for name in one.names
        ),
        batch_size=ROWS,
        ignore_conflicts=True,
    )


def _keep_statements(claim: GraphClaim, findings: Sequence[tuple[int, Findings]], entities: Keys) -> None:
    """That a name is another's is kept as a relation, too: it is known as long as a passage says it."""
    stated: dict[tuple[int, str, int], dict[int, float]] = {}

    def note(passage: int, subject: Name, kind: str, other: Name, confidence: float) -> None:
        ends = entities[key_of(subject), subject.type], entities[key_of(other), other.type]
        by_passage = stated.setdefault((ends[0], kind, ends[1]), {})
        by_passage[passage] = max(by_passage.get(passage, 0.0), confidence)

    for passage, one in findings:
        for said in one.statements:
            note(passage, said.subject, said.type, said.object, said.confidence)
        for alias, name in one.aliases:
            note(passage, name, CALLED, alias, CERTAIN)
    relations = _relations(claim, list(stated))
    Evidence.objects.bulk_create(
        (
            Evidence(
                account_id=claim.account_id,
                graph_id=claim.graph_id,
                document_id=claim.document_id,
                passage_id=passage,
                relation_id=relations[triple],
                confidence=confidence,
            )
            for triple, by_passage in stated.items()
            for passage, confidence in by_passage.items()
        ),
        batch_size=ROWS,
        ignore_conflicts=True,
    )


def _relations(claim: GraphClaim, triples: Sequence[tuple[int, str, int]]) -> dict[tuple[int, str, int], int]:
    Relation.objects.bulk_create(
        (
            Relation(
                public_id=f"rel_{get_random_string(24)}",
                account_id=claim.account_id,
                graph_id=claim.graph_id,
                subject_id=subject,
                type=kind,
                object_id=other,
            )
            for subject, kind, other in sorted(triples)
        ),
        batch_size=ROWS,
        ignore_conflicts=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT r.subject_id, r.type, r.object_id, r.id FROM knowledge_relation r
               JOIN unnest(%s::bigint[], %s::text[], %s::bigint[]) AS wanted (subject, type, object)
               ON (r.subject_id, r.type, r.object_id) = (wanted.subject, wanted.type, wanted.object)
               WHERE r.account_id = %s""",
            [*([list(part) for part in zip(*triples, strict=True)] or [[], [], []]), claim.account_id],
        )
        return {(subject, kind, other): pk for subject, kind, other, pk in cursor.fetchall()}
