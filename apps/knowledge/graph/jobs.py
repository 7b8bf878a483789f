"""Which files are to be read for a graph, and who has one in hand: as apps/knowledge/ingestion/claims.py."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import uuid4

from django.conf import settings
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.knowledge.graph.following import WANTED
from apps.knowledge.ingestion import claims
from apps.knowledge.models import GraphDocument, Status

ENDED_WORKERS = "Looking for names in this document has ended the worker that did it, several times."


@dataclass(frozen=True, slots=True)
class GraphClaim:
    job_id: int
    account_id: int
    graph_id: int
    document_id: int
    token: str

    def rows(self) -> QuerySet[GraphDocument]:
        return GraphDocument.objects.filter(pk=self.job_id, claim=self.token, status=Status.IN_PROGRESS)


def waiting(*, running: Collection[int], most: int) -> list[int]:
    """Files to begin: the oldest of each account first, so many of an account at once."""
    now = timezone.now()
    due = GraphDocument.objects.filter(WANTED).filter(Q(next_try_at=None) | Q(next_try_at__lte=now))
    placed = due.annotate(place=Window(RowNumber(), partition_by=F("account_id"), order_by=F("pk").asc()))
    free = placed.filter(place__lte=settings.KNOWLEDGE_PARALLEL).order_by("place", "pk")
    found = free.values_list("pk", "claimed_until")[:most]
    return [pk for pk, until in found if pk not in running and (until is None or until <= now)]


def unwanted(running: Collection[int]) -> set[int]:
    """Of those in hand, the ones whose file or graph was deleted or stopped meanwhile."""
    wanted = GraphDocument.objects.filter(WANTED, pk__in=running)
    return set(running) - set(wanted.values_list("pk", flat=True))


def take(job_id: int) -> tuple[GraphClaim, GraphDocument] | None:
    """None where another worker was quicker, or where there is nothing more to do."""
    now, token = timezone.now(), uuid4().hex
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    taken = GraphDocument.objects.filter(free, pk=job_id, status=Status.IN_PROGRESS).update(
        claim=token, claimed_until=now + claims.LEASE, claims=F("claims") + 1, waits_for=""
    )
    if not taken:
        return None
    row = GraphDocument.objects.select_related("graph__store", "document").get(pk=job_id)
    claim = GraphClaim(job_id, row.account_id, row.graph_id, row.document_id, token)
    if row.claims > claims.MOST_CLAIMS:
        claims.fail(claim, "server_error", ENDED_WORKERS)
        return None
    return claim, row
