"""Vector stores, by their owners."""

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from apps.common.errors import NotFound
from apps.knowledge.contracts import FileCounts, StoreFacts
from apps.knowledge.models import Status, StoreFile, VectorStore
from apps.knowledge.selectors.paging import named, page
from apps.knowledge.selectors.reembeddings import reembeddings_of

COUNTS = {status: Count("pk", filter=Q(status=status)) for status in Status.values}


def store_of_project(*, account_id: int, project_id: int, public_id: str) -> StoreFacts:
    """Raises NotFound, also for what is somebody else's."""
    return store_facts([own_store(account_id, project_id, public_id)])[0]


def stores_of_project(
    *, account_id: int, project_id: int, limit: int, newest_first: bool = True, after: str = "", before: str = ""
) -> tuple[list[StoreFacts], bool]:
    """A page of stores, behind the one named `after` and before the one named `before`; whether there are more."""
    rows = _stores(account_id, project_id)
    names = {name: own_store(account_id, project_id, name).pk for name in (after, before) if name}
    found, more = page(rows, limit, newest_first, names.get(after), names.get(before))
    return store_facts(found), more


def stores_of_account(*, account_id: int, project_id: int | None = None) -> list[StoreFacts]:
    """All of them, or those of one project; the newest first."""
    rows = VectorStore.objects.filter(account_id=account_id, deleted_at=None)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    return store_facts(list(rows.order_by("-pk")))


def store_of_account(*, account_id: int, public_id: str) -> StoreFacts:
    """Raises NotFound, also for what is somebody else's."""
    rows = VectorStore.objects.filter(account_id=account_id, deleted_at=None)
    row = named(rows, public_id, "public_id")
    if row is None:
        raise NotFound(f"There is no vector store {public_id[:100]!r}.", code="vector_store_not_found")
    return store_facts([row])[0]


def stores_by_name(*, account_id: int, name: str) -> list[StoreFacts]:
    """Those of an account that are called so, or have this id; the newest first."""
    rows = VectorStore.objects.filter(Q(name=name) | Q(public_id=name), account_id=account_id, deleted_at=None)
    return store_facts(list(rows.order_by("-pk")[:100]))


def own_store(account_id: int, project_id: int, public_id: str) -> VectorStore:
    row = named(_stores(account_id, project_id), public_id, "public_id")
    if row is None:
        raise NotFound(f"There is no vector store {public_id[:100]!r}.", code="vector_store_not_found")
    return row


def store_facts(rows: list[VectorStore]) -> list[StoreFacts]:
    """Of stores of one account."""
    files = StoreFile.objects.filter(store__in=rows, deleted_at=None)
    grouped = files.values("store").annotate(bytes=Sum("usage_bytes"), **COUNTS)
    sums: dict[int, dict[str, Any]] = {group["store"]: {**group} for group in grouped}
    changes = reembeddings_of([row.pk for row in rows])
    now = timezone.now()
    facts = []
    for row in rows:
        own = sums.get(row.pk, {})
        counts = FileCounts(**{str(status): own.get(status, 0) for status in Status.values})
        expired = row.expires_at is not None and row.expires_at <= now
        facts.append(
            StoreFacts(
                id=row.pk,
                account_id=row.account_id,
                project_id=row.project_id,
                api_key_id=row.api_key_id,
                public_id=row.public_id,
                name=row.name,
                description=row.description,
                metadata=row.metadata,
                embedding_model=row.embedding_model,
                counts=counts,
                status="expired" if expired else "in_progress" if counts.in_progress else "completed",
                usage_bytes=own.get("bytes") or 0,
                passages=row.passages,
                expires_days=row.expires_days,
                expires_at=row.expires_at,
                last_active_at=row.last_active_at,
                created_at=row.created_at,
                reembedding=changes.get(row.pk),
            )
        )
    return facts


def _stores(account_id: int, project_id: int) -> QuerySet[VectorStore]:
    return VectorStore.objects.filter(account_id=account_id, project_id=project_id, deleted_at=None)
