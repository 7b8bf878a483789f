"""Takes out of graphs what only passages that are removed said: mentions and evidence, then relations and entities that
have none left, and merges that rested upon them."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from apps.knowledge.graph.locking import hold_graph
from apps.knowledge.graph.merging import uproot
from apps.knowledge.graph.resolving import settle
from apps.knowledge.models import Entity, Evidence, Graph, Mention, Relation
from apps.knowledge.walls import within

BLOCK = 2000  # rows of a graph that was deleted, removed by one transaction


def forget_passages(*, account_id: int, passage_ids: Sequence[int]) -> None:
    """Before the passages themselves are removed, in their transaction, within the account's walls."""
    mentions = Mention.objects.filter(account_id=account_id, passage_id__in=passage_ids)
    for graph_id in sorted(set(mentions.values_list("graph_id", flat=True))):
        hold_graph(graph_id)
        _forget(account_id, graph_id, passage_ids)


def _forget(account_id: int, graph_id: int, passage_ids: Sequence[int]) -> None:
    mine = {"account_id": account_id, "graph_id": graph_id}
    mentions = Mention.objects.filter(**mine, passage_id__in=passage_ids)
    evidence = Evidence.objects.filter(**mine, passage_id__in=passage_ids)
    touched = set(mentions.values_list("entity_id", flat=True))
    relations = set(evidence.values_list("relation_id", flat=True))
    evidence.delete()
    mentions.delete()
    Relation.objects.filter(**mine, pk__in=relations).exclude(
        pk__in=Evidence.objects.filter(**mine, relation_id__in=relations).values("relation_id")
    ).delete()
    named = set(Mention.objects.filter(**mine, entity_id__in=touched).values_list("entity_id", flat=True))
    gone = touched - named
    keys = set(Entity.objects.filter(**mine, pk__in=gone).values_list("key", flat=True))
    left = uproot(account_id, gone) if gone else set()
    Entity.objects.filter(**mine, pk__in=gone).delete()
    _name_anew(account_id, named)
    # Where there were two of a name or a surname, the one that is left may be sure now.
    alike = Entity.objects.filter(**mine, key__in=keys | {key.rpartition(" ")[2] for key in keys})
    settle(account_id=account_id, graph_id=graph_id, touched=named | left | set(alike.values_list("pk", flat=True)))


def _name_anew(account_id: int, entity_ids: set[int]) -> None:
    """By words that still stand somewhere."""
    rest = Mention.objects.filter(account_id=account_id, entity_id=OuterRef("pk"))
    rows = Entity.objects.filter(account_id=account_id, pk__in=entity_ids)
    rows.filter(~Exists(rest.filter(surface=OuterRef("name")))).update(
        name=Subquery(rest.order_by("pk").values("surface")[:1])
    )


def forget_vectors(*, account_id: int, store_id: int) -> None:
    """What a store's entities are compared by, once it has another embedding model: they get that one's when they are
    next read."""
    for graph in Graph.objects.filter(account_id=account_id, store_id=store_id, deleted_at=None):
        last = 0
        while True:
            with within(account_id):
                hold_graph(graph.pk)
                rows = Entity.objects.filter(account_id=account_id, graph=graph, embedding__isnull=False, pk__gt=last)
                ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BLOCK])
                Entity.objects.filter(account_id=account_id, pk__in=ids).update(embedding=None)
            if not ids:
                break
            last = ids[-1]


def empty_deleted_graphs() -> int:
    """How many were removed whole."""
    count = 0
    for graph in Graph.objects.filter(deleted_at__isnull=False).order_by("pk"):
        while not _removed(graph):
            pass
        count += 1
    return count


def delete_graphs_of(store_id: int) -> None:
    """Of a store that is deleted: nothing in it names anything any more."""
    Graph.objects.filter(store_id=store_id, deleted_at=None).update(deleted_at=timezone.now())


def _removed(graph: Graph) -> bool:
    with within(graph.account_id):
        hold_graph(graph.pk)
        for table in ("evidence", "mention", "merge", "relation", "entity"):
            with connection.cursor() as cursor:
                if table == "entity":
                    cursor.execute(
                        "UPDATE knowledge_entity SET merged_into_id = NULL"
                        " WHERE account_id = %s AND graph_id = %s AND merged_into_id IS NOT NULL",
                        [graph.account_id, graph.pk],
                    )
                cursor.execute(
                    f"""DELETE FROM knowledge_{table} WHERE id IN (
                        SELECT id FROM knowledge_{table} WHERE account_id = %s AND graph_id = %s LIMIT {BLOCK})""",  # noqa: S608
                    [graph.account_id, graph.pk],
                )
                if cursor.rowcount:
                    return False
    graph.delete()
    return True
