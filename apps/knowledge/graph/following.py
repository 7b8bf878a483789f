"""Which documents are read for a graph: those of a store that can be searched, and from then on each that becomes so.

Knows the models alone: the reading of documents asks for it in its last transaction.
"""

from django.db.models import Q

from apps.knowledge.models import Graph, GraphDocument, Status, StoreFile

WANTED = Q(status=Status.IN_PROGRESS, graph__deleted_at=None, graph__stopped_at=None, document__deleted_at=None)


def follow(document: StoreFile) -> None:
    """In the transaction that completes it, which holds the store."""
    graphs = Graph.objects.filter(
        account_id=document.account_id, store_id=document.store_id, deleted_at=None, stopped_at=None
    )
    for graph in graphs:
        GraphDocument.objects.get_or_create(
            graph=graph,
            document=document,
            defaults={"account_id": document.account_id, "passages_total": document.passages_total},
        )


def follow_store(graph: Graph) -> int:
    """Its files that can be searched and are not in the graph yet; how many. In a transaction that holds the store."""
    files = StoreFile.objects.filter(store_id=graph.store_id, status=Status.COMPLETED, deleted_at=None)
    known = GraphDocument.objects.filter(graph=graph).values("document_id")
    fresh = [
        GraphDocument(account_id=graph.account_id, graph=graph, document_id=pk, passages_total=passages)
        for pk, passages in files.exclude(pk__in=known).order_by("pk").values_list("pk", "passages_total")
    ]
    GraphDocument.objects.bulk_create(fresh, batch_size=500, ignore_conflicts=True)
    return len(fresh)
