"""What a graph's selectors and services have in common: whose it is, and its rows as facts. Of this room alone."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from apps.common.errors import Invalid, NotFound
from apps.knowledge.graph import reading
from apps.knowledge.graph.contracts import EntityFacts, EntityRef, GraphFacts, MergeFacts, Progress
from apps.knowledge.models import Entity, Graph, GraphDocument, Mention, Merge, Relation, Status, VectorStore
from apps.knowledge.selectors import own_store

LONGEST_ID = 60


def living_store(account_id: int, project_id: int, store_id: str) -> VectorStore:
    """Raises NotFound, and Invalid where it has expired."""
    store = own_store(account_id, project_id, store_id)
    if store.expires_at is not None and store.expires_at <= timezone.now():
        raise Invalid(None, "This vector store has expired; make another one.", code="vector_store_expired")
    return store


def own_graph(account_id: int, project_id: int, store_id: str) -> Graph:
    """Raises NotFound, and Invalid where the store has expired."""
    return graph_in(living_store(account_id, project_id, store_id))


def graph_in(store: VectorStore) -> Graph:
    """Raises NotFound."""
    graph = Graph.objects.filter(account_id=store.account_id, store=store, deleted_at=None).first()
    if graph is None:
        message = f"The vector store {store.public_id} has no graph; build one."
        raise NotFound(message, code="graph_not_found")
    return graph


def scope_of(graph: Graph) -> reading.Scope:
    return {"account": graph.account_id, "graph": graph.pk}


def own_entity(scope: reading.Scope, public_id: str) -> tuple[int, EntityFacts]:
    """Its root, and what is known of it now. Raises NotFound also for what only deleted documents named."""
    rows = Entity.objects.filter(account_id=scope["account"], graph_id=scope["graph"], public_id=named(public_id))
    row = rows.first()
    if row is not None:
        root = row.merged_into_id or row.pk
        found = reading.entities(scope, [root])
        if root in found:
            return root, found[root]
    raise NotFound(f"There is no entity {public_id[:100]!r} in this graph.", code="entity_not_found")


def own_edge(scope: reading.Scope, public_id: str) -> reading.Edge:
    rows = Relation.objects.filter(account_id=scope["account"], graph_id=scope["graph"], public_id=named(public_id))
    number = rows.values_list("pk", flat=True).first()
    found = reading.edges(scope, number=number, most=1) if number is not None else []
    if not found:
        raise NotFound(f"There is no relation {public_id[:100]!r} in this graph.", code="relation_not_found")
    return found[0]


def merge_facts(rows: Sequence[Merge]) -> list[MergeFacts]:
    """By names that documents give which are there now; a merge of others is left out."""
    ends = {end for row in rows for end in (row.kept_id, row.gone_id)}
    mentions = Mention.objects.filter(entity__in=ends, **live()).order_by("entity_id", "pk")
    names = dict(mentions.distinct("entity_id").values_list("entity_id", "surface"))
    return [
        MergeFacts(
            id=row.public_id,
            kept=_ref(row.kept, names),
            gone=_ref(row.gone, names),
            reason=row.reason,
            merged_at=row.merged_at,
            undone_at=row.undone_at,
        )
        for row in rows
        if row.kept_id in names and row.gone_id in names
    ]


def graph_facts(store: VectorStore, graph: Graph | None) -> GraphFacts:
    if graph is None:
        return GraphFacts(
            store_id=store.public_id,
            method="off",
            built_by="",
            model="",
            status="none",
            progress=Progress(
                in_progress=0, completed=0, failed=0, passages_total=0, passages_done=0, passages_skipped=0
            ),
            created_at=None,
        )
    rows = GraphDocument.objects.filter(graph=graph, document__deleted_at=None)
    sums: dict[str, Any] = rows.aggregate(
        in_progress=Count("pk", filter=Q(status=Status.IN_PROGRESS)),
        completed=Count("pk", filter=Q(status=Status.COMPLETED)),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
        passages_total=Sum("passages_total", default=0),
        passages_done=Sum("passages_done", default=0),
        passages_skipped=Sum("passages_skipped", default=0),
    )
    progress = Progress(**sums)
    if progress.in_progress:
        status = "in_progress"
    else:
        status = "failed" if progress.failed and not progress.completed else "completed"
    return GraphFacts(
        store_id=store.public_id,
        method="off" if graph.stopped_at else graph.method,
        built_by=graph.method,
        model=graph.model,
        status=status,
        progress=progress,
        created_at=graph.created_at,
    )


def _ref(row: Entity, names: dict[int, str]) -> EntityRef:
    return EntityRef(id=row.public_id, name=names[row.pk], type=row.type)


def named(public_id: str) -> str:
    return public_id[:LONGEST_ID] if public_id.isprintable() else ""


def live() -> dict[str, Any]:
    """Of mentions and evidence, those whose document is there now."""
    return {"document__deleted_at": None, "document__status": Status.COMPLETED}
