"""What becomes of stores that are to have another model."""

from collections.abc import Collection

from apps.knowledge.contracts import ReembeddingFacts
from apps.knowledge.models import Reembedding, Status


def has_waiting_reembeddings() -> bool:
    return Reembedding.objects.filter(status=Status.IN_PROGRESS, store__deleted_at=None).exists()


def reembeddings_of(store_ids: Collection[int]) -> dict[int, ReembeddingFacts]:
    """By store, those that are under way or have failed."""
    rows = Reembedding.objects.filter(store_id__in=store_ids, status__in=(Status.IN_PROGRESS, Status.FAILED))
    return {
        row.store_id: ReembeddingFacts(
            model=row.model,
            status=row.status,
            passages_done=row.passages_done,
            error_message=row.error_message,
            waits_for=row.waits_for,
            created_at=row.created_at,
        )
        for row in rows.order_by("pk")
    }
