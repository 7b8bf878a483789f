"""Stores files: what callers upload, and what batches answer."""

import unicodedata
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.common.database import give_back_connection
from apps.common.errors import Invalid, Unavailable
from apps.files.contracts import UPLOADED, FileFacts
from apps.files.models import Purpose, StoredFile
from apps.files.selectors import facts
from apps.files.services.measured import Measured, measured
from apps.files.services.removal import mark_deleted
from apps.files.services.room import check_room, one_at_a_time
from apps.files.storage import contents

LONGEST_NAME = 255


def upload_file(
    *,
    account_id: int,
    project_id: int,
    name: str,
    content: Iterable[bytes],
    size: int,
    lifetime: timedelta | None = None,
    purpose: str = Purpose.BATCH,
    url: str = "",
) -> FileFacts:
    """Keeps what a caller gives, of this `size`: until it is deleted where no lifetime is said.

    First a row that nobody sees names the content, then it is stored, then the row is shown; between the steps no
    connection to the database is held. Raises Invalid, or Unavailable where the storage is away.
    """
    _check(purpose, size)
    with measured(content) as body:
        _check(purpose, body.size)
        row = _new_row(account_id, project_id, clean_name(name), Purpose(purpose), lifetime)
        row.url = url
        _store(row, body, within_room=True)
    _show(row.pk)
    return facts(row)


def store_output(
    *, account_id: int, project_id: int, name: str, content: Iterable[bytes], lifetime: timedelta | None
) -> FileFacts:
    """Stores what a batch answered; it was paid for, so there is always room. Nobody sees it before `show_output`.

    What is not shown within an hour is removed. Raises Unavailable.
    """
    with measured(content) as body:
        row = _new_row(account_id, project_id, name, Purpose.BATCH_OUTPUT, lifetime)
        _store(row, body, within_room=False)
    return facts(row)


def show_output(*, file: FileFacts) -> None:
    """For the transaction that ends the batch. Raises Unavailable where the file was given up meanwhile."""
    _show(file.id)


def clean_name(name: str) -> str:
    """The last part of a path, without what a terminal, a page or a shell could take for something else."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] not in "CZ" or letter == " ")
    cleaned = printable.strip().lstrip(".")[:LONGEST_NAME]
    return cleaned or "file"


def _check(purpose: str, size: int) -> None:
    if purpose not in UPLOADED:
        raise Invalid("purpose", f"The purpose of a file is one of {', '.join(UPLOADED)}.")
    if not size:
        raise Invalid("file", "The file is empty.", code="empty_file")
    most = settings.GATEWAY_MAX_FILE_BYTES if purpose == Purpose.BATCH else settings.FILES_MAX_DOCUMENT_BYTES
    if size > most:
        message = f"A file of this purpose has at most {most / 2**20:g} MB."
        raise Invalid("file", message, code="request_too_large", status=413)


def _new_row(account_id: int, project_id: int, name: str, purpose: Purpose, lifetime: timedelta | None) -> StoredFile:
    now = timezone.now()
    return StoredFile(
        public_id=f"file-{get_random_string(24)}",
        account_id=account_id,
        project_id=project_id,
        name=name,
        purpose=purpose,
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )


def _store(row: StoredFile, body: Measured, *, within_room: bool) -> None:
    row.size, row.sha256, row.is_pending = body.size, body.sha256, True
    with transaction.atomic():
        one_at_a_time(row.account_id)
        if within_room:
            check_room(row.account_id, body.size)
        row.save()
    give_back_connection()
    try:
        contents.put(account_id=row.account_id, sha256=body.sha256, file=body.file)
    except Unavailable:
        with transaction.atomic():
            mark_deleted(row)
        raise


def _show(file_id: int) -> None:
    """Raises Unavailable where storing took so long that the row was given up meanwhile."""
    if not StoredFile.objects.filter(pk=file_id, is_pending=True, deleted_at=None).update(is_pending=False):
        raise Unavailable(contents.AWAY, retry_after=10)
