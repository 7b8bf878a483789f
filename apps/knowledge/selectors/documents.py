"""Files of vector stores, and batches of them."""

from django.db.models import Count, Min, QuerySet

from apps.common.errors import NotFound
from apps.knowledge.contracts import BatchFacts, Chunking, DocumentFacts, FileCounts, Ingestion
from apps.knowledge.models import FileBatch, Status, StoreFile, VectorStore
from apps.knowledge.selectors.paging import named, page
from apps.knowledge.selectors.stores import COUNTS, own_store


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
    found, more = page(rows, limit, newest_first, names.get(after), names.get(before))
    return [document_facts(row) for row in found], more


def batch_of_store(*, account_id: int, project_id: int, store_id: str, batch_id: str) -> BatchFacts:
    """Raises NotFound."""
    return batch_facts(own_batch(own_store(account_id, project_id, store_id), batch_id))


def ingestion() -> Ingestion:
    """Of all stores: what waits to be read, and what could not be."""
    rows = StoreFile.objects.filter(deleted_at=None)
    waiting = rows.filter(status=Status.IN_PROGRESS).aggregate(waiting=Count("pk"), since=Min("created_at"))
    return Ingestion(failed=rows.filter(status=Status.FAILED).count(), **waiting)


def has_waiting_documents() -> bool:
    return StoreFile.objects.filter(status=Status.IN_PROGRESS, deleted_at=None).exists()


def own_document(store: VectorStore, file_id: str) -> StoreFile:
    row = named(documents(store), file_id, "file__public_id")
    if row is None:
        message = f"There is no file {file_id[:100]!r} in the vector store {store.public_id}."
        raise NotFound(message, code="vector_store_file_not_found")
    return row


def own_batch(store: VectorStore, public_id: str) -> FileBatch:
    row = named(FileBatch.objects.filter(account_id=store.account_id, store=store), public_id, "public_id")
    if row is None:
        message = f"There is no file batch {public_id[:100]!r} in the vector store {store.public_id}."
        raise NotFound(message, code="file_batch_not_found")
    return row


def documents(store: VectorStore) -> QuerySet[StoreFile]:
    rows = StoreFile.objects.filter(account_id=store.account_id, store=store, deleted_at=None)
    return rows.select_related("file", "store")


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
