"""Removes what nobody sees any more: passages, vectors, postings and what graphs have of files and stores that were
deleted."""

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from apps.knowledge.graph.forgetting import empty_deleted_graphs, forget_passages
from apps.knowledge.models import Passage, PassageVector, Status, StoreFile, Term, VectorStore
from apps.knowledge.search.indexing import drop_index
from apps.knowledge.search.postings import remove_postings
from apps.knowledge.walls import within

BLOCK = 500  # passages removed by one transaction
EMPTYING = 0x656D7074  # an advisory lock of PostgreSQL: one worker at a time removes a file's passages


def empty_deleted() -> int:
    """How many files were removed whole."""
    count = 0
    empty_deleted_graphs()  # first: nothing is to be taken out of them, passage by passage
    rows = StoreFile.objects.filter(deleted_at__isnull=False).order_by("pk")
    for pk, account_id, store_id in rows.values_list("pk", "account_id", "store_id").iterator(chunk_size=100):
        while not _removed(pk, account_id, store_id):
            pass
        count += 1
    for store in VectorStore.objects.filter(deleted_at__isnull=False, emptied_at=None):
        if not StoreFile.objects.filter(store=store).exists():
            with within(store.account_id):
                Term.objects.filter(account_id=store.account_id, store=store).delete()
            if not drop_index(store):
                continue
            VectorStore.objects.filter(pk=store.pk).update(emptied_at=timezone.now())
    return count


def _removed(document_id: int, account_id: int, store_id: int) -> bool:
    """Whether nothing of it is left."""
    with within(account_id):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [EMPTYING, document_id % 2**31])
        mine = Passage.objects.filter(account_id=account_id, document_id=document_id)
        # Locked: no vector of another model comes to one of them meanwhile.
        ids = list(mine.order_by("position").select_for_update().values_list("pk", flat=True)[:BLOCK])
        if ids:
            forget_passages(account_id=account_id, passage_ids=ids)
            remove_postings(account_id=account_id, passage_ids=ids)
            PassageVector.objects.filter(account_id=account_id, passage_id__in=ids).delete()
            Passage.objects.filter(account_id=account_id, pk__in=ids).delete()
            return False
    with transaction.atomic():
        row = StoreFile.objects.select_for_update().filter(pk=document_id).first()
        if row is None:
            return True
        # The files that replace it before the store, as where one of them is completed.
        StoreFile.objects.filter(replaces=row).update(replaces=None)
        if row.status == Status.COMPLETED:
            VectorStore.objects.filter(pk=store_id).update(
                passages=Greatest(F("passages") - row.passages_total, 0),
                lexemes=Greatest(F("lexemes") - row.lexemes, 0),
            )
        row.delete()
    return True
