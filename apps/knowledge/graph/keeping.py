"""The steps of a document on its way into a graph, each of them one transaction that only the claim's holder commits.

A graph's own lock is taken first by all that write in it: nothing is added to an entity while it is removed, and merges
stay trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.knowledge.graph.jobs import GraphClaim
from apps.knowledge.graph.language.findings import Findings, Name, key_of
from apps.knowledge.graph.locking import hold_graph
from apps.knowledge.graph.resolving import CALLED, settle
from apps.knowledge.ingestion.claims import LEASE, LostError
from apps.knowledge.models import Entity, Evidence, Graph, GraphDocument, Mention, Passage, Relation, Status, StoreFile
from apps.knowledge.walls import within
from apps.usage.selectors import requests_by_prefix
from apps.usage.services import drain_events

CERTAIN = 0.95  # that one name is another's, where the text says so
SETTLED = 200  # entities at once
ROWS = 500


@dataclass(frozen=True, slots=True)
class Block:
    """Passages that are looked at together."""

    ids: list[int]
    texts: list[str]
    headings: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a block: a passage's findings, or None where the answer was of no use."""

    passages: list[Findings | None]

    @property
    def skipped(self) -> int:
        return self.passages.count(None)


def next_block(claim: GraphClaim, *, most: int) -> Block | None:
    """None once every passage was looked at. Raises LostError."""
    with within(claim.account_id):
        row = _hold(claim)
        passages = Passage.objects.filter(
            account_id=claim.account_id, document_id=claim.document_id, position__gte=row.passages_done
        )
        found = list(passages.order_by("position").only("id", "text", "headings")[:most])
    if not found:
        return None
    return Block(
        ids=[passage.pk for passage in found],
        texts=[passage.text for passage in found],
        headings=[tuple(passage.headings) for passage in found],
    )


def keep(claim: GraphClaim, block: Block, found: Found) -> None:
    """Raises LostError."""
    with within(claim.account_id):
        hold_graph(claim.graph_id)
        _hold(claim)
        findings = [(pk, one) for pk, one in zip(block.ids, found.passages, strict=True) if one is not None]
        entities = _entities(claim, [name for _, one in findings for name in one.names])
        _keep_mentions(claim, findings, entities)
        _keep_statements(claim, findings, entities)
        claim.rows().update(
            passages_done=F("passages_done") + len(block.ids),
            passages_skipped=F("passages_skipped") + found.skipped,
            claims=0,
            tries=0,
            claimed_until=timezone.now() + LEASE,
        )


def complete(claim: GraphClaim, *, note: str) -> None:
    """What it names becomes one with what was known, where that is sure. Raises LostError."""
    with within(claim.account_id):
        _hold(claim)
        mentioned = Mention.objects.filter(
            account_id=claim.account_id, graph_id=claim.graph_id, document_id=claim.document_id
        )
        touched = sorted(set(mentioned.values_list("entity_id", flat=True)))
    for start in range(0, len(touched), SETTLED):
        with within(claim.account_id):
            hold_graph(claim.graph_id)
            _hold(claim)
            settle(account_id=claim.account_id, graph_id=claim.graph_id, touched=touched[start : start + SETTLED])
            claim.rows().update(claimed_until=timezone.now() + LEASE)
    with within(claim.account_id):
        _hold(claim)
        claim.rows().update(
            status=Status.COMPLETED,
            completed_at=timezone.now(),
            claim="",
            claimed_until=None,
            waits_for="",
            note=note[:500],
        )


def asked_before(claim: GraphClaim, position: int) -> dict[int, int]:
    """By passage from this one on, how often a worker that was killed had asked for it; negative where one of these
    was charged."""
    drain_events()
    asked: dict[int, int] = {}
    charged: set[int] = set()
    for request_id, outcome in requests_by_prefix(account_id=claim.account_id, prefix=f"req_vsg_{claim.job_id}_"):
        place = int(request_id.split("_")[3])
        if place >= position:
            asked[place] = asked.get(place, 0) + 1
            charged |= {place} if outcome == "completed" else set()
    return {place: -count if place in charged else count for place, count in asked.items()}


def _hold(claim: GraphClaim) -> GraphDocument:
    """The row, while somebody wants it: its file stays undeleted until this transaction ends."""
    row = claim.rows().select_for_update(of=("self",)).first()
    files = StoreFile.objects.filter(pk=claim.document_id, deleted_at=None, status=Status.COMPLETED)
    if row is None or files.select_for_update(no_key=True).first() is None:
        raise LostError
    if not Graph.objects.filter(pk=claim.graph_id, deleted_at=None, stopped_at=None).exists():
        raise LostError
    return row


def _entities(claim: GraphClaim, names: Sequence[Name]) -> dict[tuple[str, str], int]:
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


def _keep_mentions(
    claim: GraphClaim, findings: Sequence[tuple[int, Findings]], entities: dict[tuple[str, str], int]
) -> None:
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


def _keep_statements(
    claim: GraphClaim, findings: Sequence[tuple[int, Findings]], entities: dict[tuple[str, str], int]
) -> None:
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
