"""The steps of a re-embedding, each of them one transaction that only the claim's holder can commit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from apps.common.errors import Invalid
from apps.knowledge.ingestion.asking import BLOCK, within_tokens
from apps.knowledge.ingestion.claims import LEASE, LostError
from apps.knowledge.ingestion.reading import embedded_text
from apps.knowledge.models import Passage, PassageVector, Reembedding, Status, VectorStore
from apps.knowledge.reembedding.claims import Claim
from apps.knowledge.search.indexing import MOST_DIMENSIONS, has_index
from apps.knowledge.walls import within

GRACE = timedelta(seconds=30)  # for searches that had begun when the model changed
HALF = 2  # bytes of each of a vector's numbers
ANOTHER_SIZE = "The embedding model answered with vectors of another size than before."


@dataclass(frozen=True, slots=True)
class Block:
    """Passages whose vectors are next; `prefix` of the ids of the requests for exactly these."""

    ids: list[int]
    texts: list[str]
    prefix: str
    document_id: int


def next_block(claim: Claim) -> Block | None:
    """None once every passage that can be found has its vector. Raises LostError."""
    with within(claim.account_id):
        row = _hold(claim)
        found = _lacking(row).filter(document_id__gte=row.reached)[:BLOCK]
        passages = within_tokens(list(found))
        if not passages and row.reached:  # a document that was there already may be completed by now
            passages = within_tokens(list(_lacking(row)[:BLOCK]))
        if not passages:
            return None
        ids = [passage.pk for passage in passages]
        return Block(
            ids=ids,
            texts=[embedded_text(passage.headings, passage.text) for passage in passages],
            prefix=f"req_vsr_{row.pk}_{hashlib.sha256(repr(ids).encode()).hexdigest()[:16]}_",
            document_id=passages[-1].document_id,
        )


def keep_block(claim: Claim, block: Block, vectors: Sequence[Sequence[float]]) -> None:
    """Of the passages that are still there. Raises LostError, and Invalid for vectors that do not fit together."""
    with within(claim.account_id):
        row = _hold(claim)
        sizes = {len(vector) for vector in vectors}
        if len(sizes) != 1 or row.dimensions not in (None, *sizes):
            raise Invalid("embedding_model", ANOTHER_SIZE)
        passages = Passage.objects.filter(account_id=claim.account_id, pk__in=block.ids)
        alive = set(passages.select_for_update(no_key=True).values_list("pk", flat=True))
        PassageVector.objects.bulk_create(
            [
                PassageVector(
                    passage_id=passage_id,
                    account_id=claim.account_id,
                    store_id=claim.store_id,
                    model=row.model,
                    embedding=vector,
                )
                for passage_id, vector in zip(block.ids, vectors, strict=True)
                if passage_id in alive
            ]
        )
        claim.rows().update(
            dimensions=sizes.pop(),
            passages_done=F("passages_done") + len(alive),
            reached=block.document_id,
            claims=0,
            tries=0,
            moved_at=timezone.now(),
            claimed_until=timezone.now() + LEASE,
        )


def wants_index(claim: Claim) -> Reembedding | None:
    """The row, where an index is to be built before searches change over. Raises LostError."""
    with within(claim.account_id):
        row = _hold(claim)
    can_be = row.dimensions is not None and row.dimensions <= MOST_DIMENSIONS
    is_wanted = can_be and row.store.passages >= settings.KNOWLEDGE_INDEX_FROM
    return row if is_wanted and not has_index(row.store_id, row.model) else None


def change_over(claim: Claim) -> bool:
    """From now on searches use the new model; False where a passage lacks its vector. Raises LostError."""
    with within(claim.account_id):
        # Locked: no document is completed meanwhile.
        store = VectorStore.objects.select_for_update(no_key=True).get(pk=claim.store_id)
        row = _hold(claim)
        if _lacking(row).exists():
            return False
        now, dimensions = timezone.now(), row.dimensions or _dimensions(row)
        VectorStore.objects.filter(pk=store.pk).update(
            embedding_model=row.model, dimensions=dimensions, is_indexed=has_index(store.pk, row.model)
        )
        claim.rows().update(
            status=Status.COMPLETED,
            completed_at=now,
            claim="",
            claimed_until=None,
            leftover=store.embedding_model,
            leftover_from=now + GRACE,
            grown=HALF * ((dimensions or 0) - (store.dimensions or 0)),
        )
        return True


def _hold(claim: Claim) -> Reembedding:
    row = claim.rows().select_related("store").select_for_update(of=("self",)).first()
    if row is None:
        raise LostError
    return row


def _lacking(row: Reembedding) -> QuerySet[Passage]:
    """The passages that can be found and have no vector of the model yet, document by document."""
    vectors = PassageVector.objects.filter(passage_id=OuterRef("pk"), model=row.model)
    return (
        Passage.objects.filter(
            ~Exists(vectors),
            account_id=row.account_id,
            document__store_id=row.store_id,
            document__status=Status.COMPLETED,
            document__deleted_at=None,
        )
        .order_by("document_id", "position")
        .only("id", "document_id", "text", "headings", "tokens")
    )


def _dimensions(row: Reembedding) -> int | None:
    """Where all vectors were there already, of a change that was taken back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT vector_dims(embedding) FROM knowledge_passagevector
               WHERE account_id = %s AND store_id = %s AND model = %s LIMIT 1""",
            [row.account_id, row.store_id, row.model],
        )
        found = cursor.fetchone()
    return int(found[0]) if found else None
