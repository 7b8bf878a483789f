"""A document whose store has got another model while it was read: it gets that one's vectors before it is found."""

import hashlib
from collections.abc import Sequence

from django.utils import timezone

from apps.knowledge.ingestion.asking import BLOCK, within_tokens
from apps.knowledge.ingestion.claims import LEASE, Claim
from apps.knowledge.ingestion.stages import ToKeep, add_vectors, hold, lacking, to_keep
from apps.knowledge.models import StoreFile
from apps.knowledge.walls import within


def row_now(claim: Claim) -> StoreFile:
    return StoreFile.objects.select_related("file", "store").get(pk=claim.document_id)


def next_block(claim: Claim, row: StoreFile) -> tuple[str, ToKeep] | None:
    """With the prefix of the ids of the requests for it; None once nothing is missing. Raises LostError."""
    model = row.store.embedding_model
    with within(claim.account_id):
        hold(claim)
        block = to_keep(row, within_tokens(list(lacking(row, model)[:BLOCK])))
    if block is None:
        return None
    named = hashlib.sha256(repr((model, block.ids)).encode()).hexdigest()[:16]
    return f"req_vsf_{claim.document_id}_m{named}_", block


def keep_block(claim: Claim, row: StoreFile, ids: Sequence[int], vectors: Sequence[Sequence[float]]) -> None:
    """Raises LostError."""
    with within(claim.account_id):
        hold(claim)
        add_vectors(row, ids, vectors)
        claim.rows().update(claims=0, tries=0, moved_at=timezone.now(), claimed_until=timezone.now() + LEASE)
