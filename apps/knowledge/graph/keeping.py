"""The steps of a document on its way into a graph, each of them one transaction that only the claim's holder commits.

A graph's own lock is taken first by all that write in it: nothing is added to an entity while it is removed, and merges
stay trees.
"""

from dataclasses import dataclass

from django.db.models import F
from django.utils import timezone

from apps.knowledge.graph.jobs import GraphClaim
from apps.knowledge.graph.language.findings import Findings
from apps.knowledge.graph.locking import hold_graph
from apps.knowledge.graph.resolving import settle
from apps.knowledge.graph.writing import write
from apps.knowledge.ingestion.claims import LEASE, LostError
from apps.knowledge.models import Graph, GraphDocument, Mention, Passage, Status, StoreFile
from apps.knowledge.walls import within
from apps.usage.selectors import requests_by_prefix
from apps.usage.services import drain_events

SETTLED = 200  # entities at once


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
        write(claim, [(pk, one) for pk, one in zip(block.ids, found.passages, strict=True) if one is not None])
        claim.rows().update(
            passages_done=F("passages_done") + len(block.ids),
            passages_skipped=F("passages_skipped") + found.skipped,
            claims=0,
            tries=0,
            moved_at=timezone.now(),
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
