"""What callers do with the files of a vector store; the work itself begins when it is committed."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.common.errors import Invalid, LimitExceeded
from apps.common.queue import enqueue
from apps.files.selectors import file_of_project
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Attributes, BatchFacts, DocumentFacts, ToAttach
from apps.knowledge.models import FileBatch, Status, StoreFile, VectorStore
from apps.knowledge.selectors import batch_facts, document_facts, documents, own_batch, own_document, own_store

RUN, EMPTY = "knowledge.run", "knowledge.empty"


@transaction.atomic
def attach(*, key: KeyFacts, address: str, store_id: str, file: ToAttach) -> DocumentFacts:
    """A file that is in the store already is read anew only where it had failed or was cancelled.

    Raises NotFound, Invalid or LimitExceeded.
    """
    store = own_store(key.account_id, key.project_id, store_id)
    attach_to(store, key=key, address=address, files=[file])
    return document_facts(own_document(store, file.file_id))


@transaction.atomic
def attach_batch(*, key: KeyFacts, address: str, store_id: str, files: Sequence[ToAttach]) -> BatchFacts:
    """Raises NotFound, Invalid or LimitExceeded: all of them are attached, or none is."""
    store = own_store(key.account_id, key.project_id, store_id)
    batch = FileBatch.objects.create(public_id=f"vsfb_{get_random_string(24)}", account_id=key.account_id, store=store)
    attach_to(store, key=key, address=address, files=files, batch=batch)
    return batch_facts(batch)


@transaction.atomic
def cancel_batch(*, account_id: int, project_id: int, store_id: str, batch_id: str) -> BatchFacts:
    """What is read already stays. Cancelling again changes nothing. Raises NotFound, Invalid where it has ended."""
    batch = own_batch(own_store(account_id, project_id, store_id), batch_id)
    status = batch_facts(batch).status
    if status in ("completed", "failed"):
        message = f"This file batch cannot be cancelled any more: it is {status}."
        raise Invalid(None, message, code="file_batch_not_cancellable", status=409)
    batch.cancelled_at = batch.cancelled_at or timezone.now()
    batch.save(update_fields=["cancelled_at"])
    batch.files.filter(status=Status.IN_PROGRESS, deleted_at=None).update(status=Status.CANCELLED, claim="")
    return batch_facts(batch)


@transaction.atomic
def change_attributes(
    *, account_id: int, project_id: int, store_id: str, file_id: str, attributes: Attributes
) -> DocumentFacts:
    """Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    row.attributes = attributes
    row.save(update_fields=["attributes"])
    return document_facts(row)


@transaction.atomic
def remove(*, account_id: int, project_id: int, store_id: str, file_id: str) -> None:
    """Takes a file out of a store; the file itself stays. Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    StoreFile.objects.filter(pk=row.pk).update(deleted_at=timezone.now(), claim="")
    transaction.on_commit(partial(enqueue, EMPTY))


def remove_file(*, account_id: int, project_id: int, file_id: str) -> None:
    """Takes a file that is deleted out of every store."""
    rows = StoreFile.objects.filter(
        account_id=account_id, store__project_id=project_id, file__public_id=file_id, deleted_at=None
    )
    if rows.update(deleted_at=timezone.now(), claim=""):
        transaction.on_commit(partial(enqueue, EMPTY))


def attach_to(
    store: VectorStore, *, key: KeyFacts, address: str, files: Sequence[ToAttach], batch: FileBatch | None = None
) -> None:
    """In a transaction. Raises NotFound, Invalid or LimitExceeded."""
    if not files:
        return
    VectorStore.objects.select_for_update().get(pk=store.pk)  # one at a time is counted, and none stands twice
    present = {row.file_id: row for row in documents(store).filter(file__public_id__in=[one.file_id for one in files])}
    most = settings.KNOWLEDGE_MAX_DOCUMENTS
    if documents(store).count() + len(files) - len(present) > most:
        message = f"A vector store holds at most {most} files; remove some, or make another store."
        raise LimitExceeded(message, code="too_many_files")
    for wanted in files:
        file = file_of_project(account_id=key.account_id, project_id=key.project_id, public_id=wanted.file_id)
        values: dict[str, Any] = {
            "api_key_id": key.key_id,
            "address": address[:60],
            "batch": batch,
            "attributes": wanted.attributes,
            "max_tokens": wanted.chunking.max_tokens,
            "overlap": wanted.chunking.overlap,
            "is_auto": wanted.chunking.is_auto,
            "replaces": _replaced(store, wanted),
        }
        old = present.get(file.id)
        if old is not None and old.status in (Status.CANCELLED, Status.FAILED):
            StoreFile.objects.filter(pk=old.pk).update(deleted_at=timezone.now(), claim="")
            old = None
        if old is None:
            row = StoreFile(account_id=store.account_id, store=store, file_id=file.id, **values)
            row.save()
            present[file.id] = row
        else:
            StoreFile.objects.filter(pk=old.pk).update(attributes=wanted.attributes, batch=batch or old.batch)
    transaction.on_commit(partial(enqueue, RUN))


def _replaced(store: VectorStore, wanted: ToAttach) -> StoreFile | None:
    if not wanted.replaces:
        return None
    if wanted.replaces == wanted.file_id:
        raise Invalid("replaces", "A file cannot replace itself: upload the new content as another file.")
    return own_document(store, wanted.replaces)
