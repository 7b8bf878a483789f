"""Reads batches. What is owned is asked for by account and project."""

from collections import defaultdict

from django.db.models import Count, Q, QuerySet

from apps.batches.contracts import BatchFacts
from apps.batches.models import OPEN, Batch, LineResult
from apps.common.errors import NotFound


def batch_of_project(*, account_id: int, project_id: int, public_id: str) -> BatchFacts:
    """Raises NotFound, also for what is somebody else's."""
    return facts(own_batch(_owned(account_id, project_id), public_id))


def batches_of_project(
    *, account_id: int, project_id: int, limit: int, after: str = ""
) -> tuple[list[BatchFacts], bool]:
    """A page, the newest first, from behind the one named `after`; whether there are more."""
    rows = _owned(account_id, project_id)
    if after:
        rows = rows.filter(pk__lt=own_batch(rows, after).pk)
    found = list(rows.order_by("-pk")[: limit + 1])
    return [facts(row) for row in found[:limit]], len(found) > limit


def has_open_batches() -> bool:
    return Batch.objects.filter(status__in=OPEN).exists()


def files_in_use() -> list[int]:
    """Files that open batches still read."""
    return list(Batch.objects.filter(status__in=OPEN).values_list("input_file_id", flat=True))


def open_batches(*, limit: int) -> list[int]:
    """Batches to work on: the oldest of each account first, so that nobody waits behind another's many."""
    places: dict[int, int] = defaultdict(int)
    ranked = []
    for pk, account_id in Batch.objects.filter(status__in=OPEN).order_by("pk").values_list("pk", "account_id"):
        places[account_id] += 1
        ranked.append((places[account_id], pk))
    return [pk for _, pk in sorted(ranked)[:limit]]


def own_batch(rows: QuerySet[Batch], public_id: str) -> Batch:
    row = rows.filter(public_id=public_id[:100]).first() if public_id.isprintable() else None  # a NUL is an error there
    if row is None:
        raise NotFound(f"There is no batch {public_id[:100]!r}.", code="batch_not_found")
    return row


def facts(row: Batch) -> BatchFacts:
    completed, failed = row.completed, row.failed
    if row.status in OPEN:
        counts = LineResult.objects.filter(batch=row).aggregate(
            completed=Count("pk", filter=Q(failed=False)), failed=Count("pk", filter=Q(failed=True))
        )
        completed, failed = counts["completed"], counts["failed"]
    return BatchFacts(
        public_id=row.public_id,
        endpoint=row.endpoint,
        status=row.status,
        input_file=row.input_file.public_id,
        output_file=row.output_file.public_id if row.output_file else None,
        error_file=row.error_file.public_id if row.error_file else None,
        errors=row.errors,
        metadata=row.metadata,
        total=row.total,
        completed=completed,
        failed=failed,
        created_at=row.created_at,
        expires_at=row.expires_at,
        in_progress_at=row.in_progress_at,
        finalizing_at=row.finalizing_at,
        completed_at=row.completed_at,
        failed_at=row.failed_at,
        expired_at=row.expired_at,
        cancelling_at=row.cancelling_at,
        cancelled_at=row.cancelled_at,
    )


def _owned(account_id: int, project_id: int) -> QuerySet[Batch]:
    return Batch.objects.filter(account_id=account_id, project_id=project_id).select_related(
        "input_file", "output_file", "error_file"
    )
