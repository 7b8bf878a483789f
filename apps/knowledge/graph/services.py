"""What owners do with a store's graph."""

from functools import partial

from django.db import transaction
from django.utils import timezone

from apps.catalog.contracts import ModelFacts
from apps.catalog.selectors import models_for_account
from apps.common.errors import Forbidden, Invalid, NotFound
from apps.common.queue import enqueue
from apps.keys.contracts import KeyFacts
from apps.knowledge.graph.contracts import GraphFacts, MergeFacts
from apps.knowledge.graph.estimating import estimate
from apps.knowledge.graph.following import follow_store
from apps.knowledge.graph.forgetting import empty_deleted_graphs, forget_passages
from apps.knowledge.graph.locking import hold_graph
from apps.knowledge.graph.merging import join, part
from apps.knowledge.graph.owned import (
    graph_facts,
    graph_in,
    living_store,
    merge_facts,
    named,
    own_entity,
    own_graph,
    scope_of,
)
from apps.knowledge.graph.selectors import graph_of_store
from apps.knowledge.models import Graph, GraphDocument, Merge, MergeReason, Method, Status, VectorStore
from apps.knowledge.selectors import own_store
from apps.knowledge.walls import within

__all__ = [
    "build_graph",
    "chat_model",
    "delete_graph",
    "empty_deleted_graphs",
    "estimate",
    "forget_passages",
    "merge_entities",
    "turn_off",
    "undo_merge",
]
RUN, EMPTY = "knowledge.graph", "knowledge.empty"
FRESH = {
    "claim": "",
    "claimed_until": None,
    "claims": 0,
    "tries": 0,
    "next_try_at": None,
    "moved_at": None,
    "waits_for": "",
}


def chat_model(key: KeyFacts, name: str) -> ModelFacts:
    """Raises Invalid, NotFound or Forbidden."""
    if not name:
        raise Invalid("model", "Give the name of a language model.", code="missing_required_parameter")
    found = [one for one in models_for_account(account_id=key.account_id) if one.public_name == name]
    if not found:
        message = f"The model {name[:100]!r} does not exist or is not for this account."
        raise NotFound(message, code="model_not_found", param="model")
    if key.policy.allowed_models and name not in key.policy.allowed_models:
        raise Forbidden(f"This API key may not use the model {name!r}.", code="model_not_allowed", param="model")
    if found[0].kind != "chat":
        raise Invalid("model", f"{name} is a model for {found[0].kind}, not for chat.")
    return found[0]


@transaction.atomic
def build_graph(*, key: KeyFacts, store_id: str, method: str, model: str = "") -> GraphFacts:
    """Of what is in the store, and of what comes later. In another way than before: anew. In the same way: what failed
    is tried again, and what is not in it yet is added. Raises NotFound, Invalid or Forbidden."""
    if method not in Method.values:
        raise Invalid("method", f"The method is one of {', '.join(Method.values)}.")
    if method == Method.OFFLINE and model:
        raise Invalid("model", "A graph that is built offline has no language model.")
    if method == Method.MODEL:
        chat_model(key, model)
    store = living_store(key.account_id, key.project_id, store_id)
    VectorStore.objects.select_for_update().get(pk=store.pk)
    graph = Graph.objects.filter(account_id=key.account_id, store=store, deleted_at=None).first()
    if graph and (graph.method, graph.model) != (method, model):
        _delete(graph)
        graph = None
    if graph is None:
        graph = Graph.objects.create(
            account_id=key.account_id, store=store, method=method, model=model, api_key_id=key.key_id
        )
    Graph.objects.filter(pk=graph.pk).update(stopped_at=None)
    GraphDocument.objects.filter(graph=graph, status__in=(Status.FAILED, Status.CANCELLED)).update(
        status=Status.IN_PROGRESS,
        error_code="",
        error_message="",
        completed_at=None,
        created_at=timezone.now(),
        **FRESH,
    )
    follow_store(graph)
    transaction.on_commit(partial(enqueue, RUN))
    return graph_of_store(account_id=key.account_id, project_id=key.project_id, store_id=store_id)


@transaction.atomic
def turn_off(*, account_id: int, project_id: int, store_id: str) -> GraphFacts:
    """What is in the graph stays; nothing is added to it. Raises NotFound."""
    store = own_store(account_id, project_id, store_id)
    VectorStore.objects.select_for_update().get(pk=store.pk)
    graph = Graph.objects.filter(account_id=account_id, store=store, deleted_at=None).first()
    if graph is not None:
        Graph.objects.filter(pk=graph.pk, stopped_at=None).update(stopped_at=timezone.now())
        GraphDocument.objects.filter(graph=graph, status=Status.IN_PROGRESS).update(status=Status.CANCELLED, **FRESH)
        graph.refresh_from_db()
    return graph_facts(store, graph)


@transaction.atomic
def delete_graph(*, account_id: int, project_id: int, store_id: str) -> None:
    """No answer knows it from now on. Raises NotFound."""
    _delete(graph_in(own_store(account_id, project_id, store_id)))


def merge_entities(*, key: KeyFacts, store_id: str, kept: str, gone: str) -> MergeFacts:
    """By hand, of whichever types. Raises NotFound, and Invalid where they are one already."""
    graph = own_graph(key.account_id, key.project_id, store_id)
    with within(key.account_id):
        hold_graph(graph.pk)
        scope = scope_of(graph)
        (first, _), (last, _) = own_entity(scope, kept), own_entity(scope, gone)
        made = join(key.account_id, graph.pk, kept=first, gone=last, reason=MergeReason.HAND, key_id=key.key_id)
        if made is None:
            raise Invalid("gone", "These are one entity already.", code="already_merged", status=409)
        if not (told := merge_facts([made])):  # one of them is known by those alone that were merged into it
            raise NotFound("One of these entities is in no document any more.", code="entity_not_found")
        return told[0]


def undo_merge(*, account_id: int, project_id: int, store_id: str, merge_id: str) -> MergeFacts:
    """They are two again, and stay so until somebody merges them by hand. Raises NotFound."""
    graph = own_graph(account_id, project_id, store_id)
    with within(account_id):
        hold_graph(graph.pk)
        rows = Merge.objects.filter(account_id=account_id, graph=graph, public_id=named(merge_id)).select_related(
            "kept", "gone"
        )
        found = rows.first()
        told = merge_facts([found]) if found else []
        if found is None or not told:
            raise NotFound(f"There is no merge {merge_id[:100]!r} in this graph.", code="merge_not_found")
        if found.undone_at is None:
            part(account_id, [found], undone=True)
            told = merge_facts(list(rows))
        return told[0]


def _delete(graph: Graph) -> None:
    Graph.objects.filter(pk=graph.pk).update(deleted_at=timezone.now())
    transaction.on_commit(partial(enqueue, EMPTY))
