"""For staff: what each account keeps in its vector stores and has in the queue, what waits, and what failed today."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from apps.knowledge.models import Status, StoreFile

MOST_ACCOUNTS, MOST_REASONS = 100, 10
TABLES = {
    "Passages": "knowledge_passage",
    "Vectors": "knowledge_passagevector",
    "Postings": "knowledge_posting",
    "Terms": "knowledge_term",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """`bytes`: of text and vectors. `waiting`: of those in progress, the ones that say what they wait for."""

    id: int
    slug: str
    in_progress: int
    waiting: int
    oldest: datetime | None
    failed_today: int
    completed: int
    passages_found: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    sentence: str
    code: str
    count: int


def standing_of_accounts() -> list[AccountStanding]:
    """Those with the most failures of today first, then those with the longest queues, then the largest."""
    in_progress = Q(status=Status.IN_PROGRESS)
    sums = (
        StoreFile.objects.filter(deleted_at=None)
        .order_by()
        .values("account_id", "account__slug")
        .annotate(
            in_progress=Count("pk", filter=in_progress),
            waiting=Count("pk", filter=in_progress & ~Q(waits_for="")),
            oldest=Min("created_at", filter=in_progress),
            failed_today=Count("pk", filter=_failed_today()),
            completed=Count("pk", filter=Q(status=Status.COMPLETED)),
            passages_found=Sum("passages_total", filter=Q(status=Status.COMPLETED), default=0),
            bytes=Sum("usage_bytes", default=0),
        )
        .order_by("-failed_today", "-in_progress", "-bytes", "account_id")
    )
    rows: list[dict[str, Any]] = [{**row} for row in sums[:MOST_ACCOUNTS]]
    return [AccountStanding(id=row.pop("account_id"), slug=row.pop("account__slug"), **row) for row in rows]


def failures_of_today() -> list[Reason]:
    """Since midnight (UTC); the most frequent first."""
    return _counted(_failed_today(), "error_message", "error_code")


def waits() -> list[Reason]:
    """What files in progress wait for; the most frequent first."""
    return _counted(Q(status=Status.IN_PROGRESS) & ~Q(waits_for=""), "waits_for", "stage")


def sizes_on_disk() -> dict[str, int]:
    """Bytes, indexes included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name",
            [list(TABLES.values())],
        )
        found = dict(cursor.fetchall())
    return {label: found[table] for label, table in TABLES.items()}


def _failed_today() -> Q:
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Q(status=Status.FAILED, completed_at__gte=midnight)


def _counted(which: Q, sentence: str, code: str) -> list[Reason]:
    rows = StoreFile.objects.filter(which, deleted_at=None).order_by().values_list(sentence, code)
    found = rows.annotate(count=Count("pk")).order_by("-count", sentence)[:MOST_REASONS]
    return [Reason(sentence=said, code=named, count=count) for said, named, count in found]
