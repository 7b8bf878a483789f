"""Reads a store's graph. A deleted document's words are in no answer from the moment in which it is deleted.

Whoever asks is known by account and project; what is somebody else's is not found.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from apps.knowledge.graph import reading, walking
from apps.knowledge.graph.contracts import (
    DocumentProgress,
    EntityFacts,
    GraphFacts,
    MergeFacts,
    Path,
    Picture,
    RelationFacts,
    StatingPassage,
)
from apps.knowledge.graph.following import WANTED
from apps.knowledge.graph.language.findings import Name, key_of
from apps.knowledge.graph.owned import graph_facts, live, merge_facts, own_edge, own_entity, own_graph, scope_of
from apps.knowledge.models import Entity, Evidence, Graph, GraphDocument, Mention, Merge, Relation
from apps.knowledge.selectors import own_store
from apps.knowledge.walls import within


def graph_of_store(*, account_id: int, project_id: int, store_id: str) -> GraphFacts:
    """Raises NotFound for the store; one without a graph has an empty one."""
    store = own_store(account_id, project_id, store_id)
    return graph_facts(store, Graph.objects.filter(account_id=account_id, store=store, deleted_at=None).first())


def has_graph(*, account_id: int, store_id: int) -> bool:
    return Graph.objects.filter(account_id=account_id, store_id=store_id, deleted_at=None).exists()


def documents_of_graph(
    *, account_id: int, project_id: int, store_id: str, status: str = "", since: int = 0, limit: int
) -> list[DocumentProgress]:
    """Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    rows = GraphDocument.objects.filter(account_id=account_id, graph=graph, document__deleted_at=None)
    if status:
        rows = rows.filter(status=status)
    return [
        DocumentProgress(
            file_id=row.document.file.public_id,
            filename=row.document.file.name,
            status=row.status,
            passages_total=row.passages_total,
            passages_done=row.passages_done,
            passages_skipped=row.passages_skipped,
            error_message=row.error_message,
            waits_for=row.waits_for,
            note=row.note,
        )
        for row in rows.select_related("document__file").order_by("-pk")[since : since + limit]
    ]


def entities_of_store(
    *,
    account_id: int,
    project_id: int,
    store_id: str,
    limit: int,
    search: str = "",
    kind: str = "",
    after: str = "",
) -> tuple[list[EntityFacts], bool]:
    """A page, the most mentioned first, behind the one named `after`; whether there are more. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    wanted = key_of(Name(search, "other")) if search else ""
    if search and not wanted:
        return [], False
    with within(account_id):
        scope, place = scope_of(graph), None
        if after:
            root, last = own_entity(scope, after)
            place = last.mentions, root
        roots = reading.most_mentioned(scope, search=wanted, kind=kind, after=place, most=limit + 1)
        return list(reading.entities(scope, roots[:limit]).values()), len(roots) > limit


def entity_of_store(*, account_id: int, project_id: int, store_id: str, entity_id: str) -> EntityFacts:
    """Raises NotFound. The id of one that was merged leads to the one that it was merged into."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        return own_entity(scope_of(graph), entity_id)[1]


def relations_of_store(
    *,
    account_id: int,
    project_id: int,
    store_id: str,
    limit: int,
    entity_id: str = "",
    kind: str = "",
    least: float = 0.0,
    after: str = "",
) -> tuple[list[RelationFacts], bool]:
    """A page, the surest first; those of one entity where it is named. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope, place = scope_of(graph), None
        touching = [own_entity(scope, entity_id)[0]] if entity_id else None
        if after:
            last = own_edge(scope, after)
            place = last[5], last[6], last[0]
        found = reading.edges(scope, touching=touching, kind=kind, least=least, after=place, most=limit + 1)
        return reading.relations(scope, found[:limit]), len(found) > limit


def relation_of_store(*, account_id: int, project_id: int, store_id: str, relation_id: str) -> RelationFacts:
    """Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        return reading.relations(scope, [own_edge(scope, relation_id)])[0]


def picture_of_store(
    *, account_id: int, project_id: int, store_id: str, limit: int, least: float = 0.0, kind: str = ""
) -> Picture:
    """The most mentioned entities and what they have to do with each other. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        roots = reading.most_mentioned(scope, kind=kind, most=limit + 1)
        return _picture(scope, roots[:limit], least, is_cut=len(roots) > limit)


def neighbourhood(
    *, account_id: int, project_id: int, store_id: str, entity_id: str, depth: int, limit: int, least: float = 0.0
) -> Picture:
    """What is round an entity, at most so many entities, the nearest and surest first. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        start, _ = own_entity(scope, entity_id)
        roots, is_cut = walking.around(scope, start, depth=depth, most=limit, least=least)
        return _picture(scope, roots, least, is_cut=is_cut)


def path_between(
    *, account_id: int, project_id: int, store_id: str, start: str, end: str, longest: int, least: float = 0.0
) -> Path:
    """The shortest one. Raises NotFound for the entities; where there is no path, it is empty."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        (first, begins), (last, ends) = own_entity(scope, start), own_entity(scope, end)
        if first == last:
            return Path(entities=(reading.ref(begins),), relations=())
        found = walking.way(scope, first, last, longest=longest, least=least)
        told = reading.relations(scope, found or [])
    if not found or len(told) < len(found):
        return Path(entities=(), relations=())
    names = [reading.ref(begins)]
    for one in told:
        names.append(one.object if one.subject == names[-1] else one.subject)
    return (
        Path(entities=tuple(names), relations=tuple(told))
        if names[-1] == reading.ref(ends)
        else Path(entities=(), relations=())
    )


def passages_of_entity(
    *, account_id: int, project_id: int, store_id: str, entity_id: str, since: int, limit: int
) -> list[StatingPassage]:
    """That name it, in the order of the documents. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        root, _ = own_entity(scope, entity_id)
        members = Entity.objects.filter(Q(pk=root) | Q(merged_into=root), account_id=account_id)
        rows = Mention.objects.filter(account_id=account_id, entity__in=members, **live())
        return _passages(rows.order_by("passage_id").distinct("passage_id"), since, limit)


def passages_of_relation(
    *, account_id: int, project_id: int, store_id: str, relation_id: str, since: int, limit: int
) -> list[StatingPassage]:
    """That state it. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        scope = scope_of(graph)
        _, _, subject, kind, other, _, _ = own_edge(scope, relation_id)
        same = Relation.objects.filter(
            Q(subject=subject) | Q(subject__merged_into=subject),
            Q(object=other) | Q(object__merged_into=other),
            account_id=account_id,
            type=kind,
        )
        rows = Evidence.objects.filter(account_id=account_id, relation__in=same, **live())
        return _passages(rows.order_by("passage_id", "-confidence").distinct("passage_id"), since, limit)


def merges_of_store(
    *, account_id: int, project_id: int, store_id: str, since: int, limit: int, undone: bool | None = None
) -> list[MergeFacts]:
    """The newest first. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        rows = Merge.objects.filter(account_id=account_id, graph=graph)
        if undone is not None:
            rows = rows.filter(undone_at__isnull=not undone)
        return merge_facts(list(rows.select_related("kept", "gone").order_by("-pk")[since : since + limit]))


def has_waiting_graphs() -> bool:
    return GraphDocument.objects.filter(WANTED).exists()


def _picture(scope: reading.Scope, roots: Sequence[int], least: float, *, is_cut: bool) -> Picture:
    nodes = reading.entities(scope, roots)
    most = walking.MOST_OF_A_STEP
    found = reading.edges(scope, among=list(nodes), least=least, most=most + 1)
    return Picture(
        nodes=tuple(nodes.values()),
        edges=tuple(reading.relations(scope, found[:most])),
        is_cut=is_cut or len(found) > most,
    )


def _passages(rows: Any, since: int, limit: int) -> list[StatingPassage]:
    return [
        StatingPassage(
            passage_id=row.passage_id,
            file_id=row.document.file.public_id,
            filename=row.document.file.name,
            position=row.passage.position,
            page=row.passage.page,
            headings=tuple(row.passage.headings),
            text=row.passage.text,
            confidence=getattr(row, "confidence", None),
        )
        for row in rows.select_related("passage", "document__file")[since : since + limit]
    ]
