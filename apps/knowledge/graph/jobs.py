"""Which files are to be read for a graph, and who has one in hand: as apps/knowledge/ingestion/claims.py."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import QuerySet

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
    """Files to begin."""
    return claims.oldest_of(GraphDocument.objects.filter(WANTED), running=running, most=most)


def unwanted(running: Collection[int]) -> set[int]:
    """Of those in hand, the ones whose file or graph was deleted or stopped meanwhile."""
    return claims.without(GraphDocument.objects.filter(WANTED), running)


def take(job_id: int) -> tuple[GraphClaim, GraphDocument] | None:
    """None where another worker was quicker, or where there is nothing more to do."""
    rows = GraphDocument.objects.filter(status=Status.IN_PROGRESS).select_related("graph__store", "document")
    return claims.taken(rows, job_id, _claim, ended=ENDED_WORKERS)


def _claim(row: GraphDocument, token: str) -> GraphClaim:
    return GraphClaim(row.pk, row.account_id, row.graph_id, row.document_id, token)
