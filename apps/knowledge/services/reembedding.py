"""Gives a store another embedding model, takes that back, and removes what is left of either."""

from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.common.queue import enqueue
from apps.keys.contracts import KeyFacts
from apps.knowledge.graph.forgetting import forget_vectors
from apps.knowledge.models import PassageVector, Reembedding, Status, StoreFile, VectorStore
from apps.knowledge.search.indexing import drop_index
from apps.knowledge.walls import within

REEMBED, EMPTY = "knowledge.reembed", "knowledge.empty"
BLOCK = 500  # vectors removed by one transaction
# Stores are locked before their changes, and with no_key: a worker that adds vectors has its change in hand, and needs
# no more of the store than that it stays.


def choose_model(store: VectorStore, *, model: str, key: KeyFacts, address: str) -> None:
    """In a transaction. The store gets vectors of this model, and then is searched by them; another one that is under
    way is put an end to. The model that it has ends what is under way."""
    current = VectorStore.objects.select_for_update(no_key=True).get(pk=store.pk).embedding_model
    rows = Reembedding.objects.filter(store=store)
    if rows.filter(status=Status.IN_PROGRESS, model=model).exists():
        return
    now = timezone.now()
    ended = rows.filter(status__in=(Status.IN_PROGRESS, Status.FAILED))
    for row in ended:
        row.status, row.claim, row.claimed_until, row.completed_at = Status.CANCELLED, "", None, now
        if row.model not in (current, model):
            row.leftover, row.leftover_from = row.model, now
        row.save(update_fields=["status", "claim", "claimed_until", "completed_at", "leftover", "leftover_from"])
    transaction.on_commit(partial(enqueue, EMPTY))
    if model != current:
        Reembedding.objects.create(
            account_id=store.account_id,
            store=store,
            api_key_id=key.key_id,
            address=address[:60],
            model=model,
            passages_done=_known(store, model),
        )
        transaction.on_commit(partial(enqueue, REEMBED))


def end_reembeddings(store: VectorStore) -> None:
    """Of a store that is deleted: its vectors go with its passages."""
    rows = Reembedding.objects.filter(store=store, status__in=(Status.IN_PROGRESS, Status.FAILED))
    rows.update(status=Status.CANCELLED, claim="", completed_at=timezone.now())


def remove_leftovers() -> int:
    """Vectors of models that stores have no more. How many changes of a model left nothing behind."""
    count = 0
    rows = Reembedding.objects.exclude(leftover="").filter(leftover_from__lte=timezone.now())
    for row in rows.select_related("store"):
        while (is_wanted := _removed(row)) is None:
            pass
        if not is_wanted and not drop_index(row.store, model=row.leftover):
            continue
        if not is_wanted and row.status == Status.COMPLETED:
            forget_vectors(account_id=row.account_id, store_id=row.store_id)
        _settle(row)
        count += 1
    return count


@transaction.atomic
def _settle(row: Reembedding) -> None:
    """Files take as much room as the vectors that they have now."""
    if not Reembedding.objects.filter(pk=row.pk).exclude(leftover="").update(leftover="", leftover_from=None):
        return
    if row.status == Status.COMPLETED and row.grown:
        files = StoreFile.objects.filter(store=row.store, status=Status.COMPLETED, completed_at__lte=row.completed_at)
        files.update(usage_bytes=F("usage_bytes") + row.grown * F("passages_total"))


def _removed(row: Reembedding) -> bool | None:
    """None: there is more. Otherwise whether the model is wanted again, for then its vectors stay."""
    with within(row.account_id):
        store = VectorStore.objects.select_for_update(no_key=True).get(pk=row.store_id)
        wanted = Reembedding.objects.filter(
            store=store, status__in=(Status.IN_PROGRESS, Status.FAILED), model=row.leftover
        )
        if store.embedding_model == row.leftover or wanted.exists():
            return True
        vectors = PassageVector.objects.filter(account_id=row.account_id, store_id=row.store_id, model=row.leftover)
        ids = list(vectors.values_list("pk", flat=True)[:BLOCK])
        PassageVector.objects.filter(account_id=row.account_id, pk__in=ids).delete()
    return None if ids else False


def _known(store: VectorStore, model: str) -> int:
    with within(store.account_id):
        return PassageVector.objects.filter(account_id=store.account_id, store=store, model=model).count()
