"""Reads vector stores and their files. What is owned is asked for by account and project."""

from typing import Any, TypeVar

from django.db.models import Count, Model, Q, QuerySet, Sum
from django.utils import timezone

from apps.common.errors import NotFound
from apps.knowledge.contracts import BatchFacts, Chunking, DocumentFacts, FileCounts, PassageFacts, StoreFacts
from apps.knowledge.models import FileBatch, Passage, Status, StoreFile, VectorStore
from apps.knowledge.walls import within

Row = TypeVar("Row", bound=Model)
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
    found, more = _page(rows, limit, newest_first, names.get(after), names.get(before))
    return store_facts(found), more


def document_of_store(*, account_id: int, project_id: int, store_id: str, file_id: str) -> DocumentFacts:
    """Raises NotFound."""
    return document_facts(own_document(own_store(account_id, project_id, store_id), file_id))


def documents_of_store(
    *,
    account_id: int,
    project_id: int,
    store_id: str,
    limit: int,
    newest_first: bool = True,
    after: str = "",
    before: str = "",
    status: str = "",
    batch_id: str = "",
) -> tuple[list[DocumentFacts], bool]:
    """A page of a store's files, or of one of its batches'. Raises NotFound."""
    store = own_store(account_id, project_id, store_id)
    rows = documents(store)
    if batch_id:
        rows = rows.filter(batch=own_batch(store, batch_id))
    if status:
        rows = rows.filter(status=status)
    names = {name: own_document(store, name).pk for name in (after, before) if name}
    found, more = _page(rows, limit, newest_first, names.get(after), names.get(before))
    return [document_facts(row) for row in found], more


def batch_of_store(*, account_id: int, project_id: int, store_id: str, batch_id: str) -> BatchFacts:
    """Raises NotFound."""
    return batch_facts(own_batch(own_store(account_id, project_id, store_id), batch_id))


def text_of_document(*, account_id: int, project_id: int, store_id: str, file_id: str) -> list[str]:
    """What was read of a file, passage by passage. Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    with within(account_id):
        passages = Passage.objects.filter(account_id=account_id, document=row)
        return list(passages.order_by("position").values_list("text", flat=True))


def stores_of_account(*, account_id: int, project_id: int | None = None) -> list[StoreFacts]:
    """All of them, or those of one project; the newest first."""
    rows = VectorStore.objects.filter(account_id=account_id, deleted_at=None)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    return store_facts(list(rows.order_by("-pk")))


def store_of_account(*, account_id: int, public_id: str) -> StoreFacts:
    """Raises NotFound, also for what is somebody else's."""
    rows = VectorStore.objects.filter(account_id=account_id, deleted_at=None)
    row = _named(rows, public_id, "public_id")
    if row is None:
        raise NotFound(f"There is no vector store {public_id[:100]!r}.", code="vector_store_not_found")
    return store_facts([row])[0]


def passages_of_document(
    *, account_id: int, project_id: int, store_id: str, file_id: str, since: int, limit: int
) -> list[PassageFacts]:
    """In order, from the one at the position `since` on. Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    with within(account_id):
        passages = Passage.objects.filter(account_id=account_id, document=row, position__gte=since)
        return [
            PassageFacts(
                position=one.position, text=one.text, headings=tuple(one.headings), page=one.page, tokens=one.tokens
            )
            for one in passages.order_by("position")[:limit]
        ]


def has_waiting_documents() -> bool:
    return StoreFile.objects.filter(status=Status.IN_PROGRESS, deleted_at=None).exists()


def stores_by_name(*, account_id: int, name: str) -> list[StoreFacts]:
    """Those of an account that are called so, or have this id; the newest first."""
    rows = VectorStore.objects.filter(Q(name=name) | Q(public_id=name), account_id=account_id, deleted_at=None)
    return store_facts(list(rows.order_by("-pk")[:100]))


# Of this room alone.


def own_store(account_id: int, project_id: int, public_id: str) -> VectorStore:
    row = _named(_stores(account_id, project_id), public_id, "public_id")
    if row is None:
        raise NotFound(f"There is no vector store {public_id[:100]!r}.", code="vector_store_not_found")
    return row


def own_document(store: VectorStore, file_id: str) -> StoreFile:
    row = _named(documents(store), file_id, "file__public_id")
    if row is None:
        message = f"There is no file {file_id[:100]!r} in the vector store {store.public_id}."
        raise NotFound(message, code="vector_store_file_not_found")
    return row


def own_batch(store: VectorStore, public_id: str) -> FileBatch:
    row = _named(FileBatch.objects.filter(account_id=store.account_id, store=store), public_id, "public_id")
    if row is None:
        message = f"There is no file batch {public_id[:100]!r} in the vector store {store.public_id}."
        raise NotFound(message, code="file_batch_not_found")
    return row


def documents(store: VectorStore) -> QuerySet[StoreFile]:
    rows = StoreFile.objects.filter(account_id=store.account_id, store=store, deleted_at=None)
    return rows.select_related("file", "store")


def store_facts(rows: list[VectorStore]) -> list[StoreFacts]:
    """Of stores of one account."""
    files = StoreFile.objects.filter(store__in=rows, deleted_at=None)
    grouped = files.values("store").annotate(bytes=Sum("usage_bytes"), **COUNTS)
    sums: dict[int, dict[str, Any]] = {group["store"]: {**group} for group in grouped}
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
            )
        )
    return facts


def document_facts(row: StoreFile) -> DocumentFacts:
    return DocumentFacts(
        id=row.pk,
        file_id=row.file.public_id,
        filename=row.file.name,
        store_id=row.store.public_id,
        status=row.status,
        stage=row.stage,
        error_code=row.error_code,
        error_message=row.error_message,
        waits_for=row.waits_for,
        attributes=row.attributes,
        chunking=Chunking(max_tokens=row.max_tokens, overlap=row.overlap, is_auto=row.is_auto),
        media_type=row.media_type,
        pages=row.pages,
        language=row.language,
        passages_total=row.passages_total,
        passages_done=row.passages_done,
        usage_bytes=row.usage_bytes,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


def batch_facts(row: FileBatch) -> BatchFacts:
    """A batch is done once none of its files is in progress; one of failures alone has failed."""
    counts = FileCounts(**row.files.filter(deleted_at=None).aggregate(**COUNTS))
    if row.cancelled_at:
        status = "cancelled"
    elif counts.in_progress:
        status = "in_progress"
    else:
        status = "failed" if counts.failed and counts.failed == counts.total else "completed"
    return BatchFacts(
        public_id=row.public_id, store_id=row.store.public_id, status=status, counts=counts, created_at=row.created_at
    )


def _stores(account_id: int, project_id: int) -> QuerySet[VectorStore]:
    return VectorStore.objects.filter(account_id=account_id, project_id=project_id, deleted_at=None)


def _named(rows: QuerySet[Row], name: str, field: str) -> Row | None:
    """What cannot be printed names none: PostgreSQL would choke on a NUL."""
    return rows.filter(**{field: name[:100]}).first() if name.isprintable() else None


def _page(
    rows: QuerySet[Row], limit: int, newest_first: bool, after: int | None, before: int | None
) -> tuple[list[Row], bool]:
    """Those next to the one that is named: right behind `after`, or right before `before`."""
    if after is not None:
        rows = rows.filter(pk__lt=after) if newest_first else rows.filter(pk__gt=after)
    if before is not None:
        rows = rows.filter(pk__gt=before) if newest_first else rows.filter(pk__lt=before)
    backwards = before is not None and after is None
    found = list(rows.order_by("-pk" if newest_first != backwards else "pk")[: limit + 1])
    shown = found[:limit]
    return shown[::-1] if backwards else shown, len(found) > limit
