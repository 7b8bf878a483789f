"""Stores files, in pieces, and removes them."""

import logging
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.common.errors import Invalid, NotFound
from apps.files.contracts import CHUNK_BYTES, UPLOADED, FileFacts
from apps.files.models import FileChunk, Purpose, StoredFile
from apps.files.selectors import facts, named

LONGEST_NAME = 255
ONE_ACCOUNT = 0x66696C  # an advisory lock of PostgreSQL: one upload of an account at a time is added up
logger = logging.getLogger(__name__)


@transaction.atomic
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
    """Keeps what a caller gives, of this `size`: until it is deleted where no lifetime is said. Raises Invalid."""
    if purpose not in UPLOADED:
        raise Invalid("purpose", f"The purpose of a file is one of {', '.join(UPLOADED)}.")
    if not size:
        raise Invalid("file", "The file is empty.", code="empty_file")
    most = settings.GATEWAY_MAX_FILE_BYTES if purpose == Purpose.BATCH else settings.FILES_MAX_DOCUMENT_BYTES
    if size > most:
        message = f"A file of this purpose has at most {most / 2**20:g} MB."
        raise Invalid("file", message, code="request_too_large", status=413)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ONE_ACCOUNT, account_id])
    kept = StoredFile.objects.filter(account_id=account_id, deleted_at=None).aggregate(total=Sum("size"))["total"] or 0
    room = settings.GATEWAY_MAX_ACCOUNT_FILE_BYTES
    if kept + size > room:
        raise Invalid(
            "file",
            f"This account keeps {kept} bytes of files and may keep {room}; delete files that are not needed any more.",
            code="storage_limit_exceeded",
        )
    return _stored(account_id, project_id, clean_name(name), Purpose(purpose), content, lifetime, url)


@transaction.atomic
def keep_output(
    *, account_id: int, project_id: int, name: str, content: Iterable[bytes], lifetime: timedelta | None
) -> FileFacts:
    """Keeps what a batch answered; it was paid for, so there is always room."""
    return _stored(account_id, project_id, name, Purpose.BATCH_OUTPUT, content, lifetime)


@transaction.atomic
def delete_file(*, account_id: int, project_id: int, public_id: str) -> None:
    """Raises NotFound."""
    rows = StoredFile.objects.select_for_update().filter(account_id=account_id, project_id=project_id)
    row = named(rows.filter(deleted_at=None), public_id)
    if row is None:
        raise NotFound(f"There is no file {public_id[:100]!r}.", code="file_not_found")
    _delete(row)


def delete_expired_files(*, in_use: Iterable[int] = ()) -> int:
    """Removes the content of files whose time is over, but of those that are still read; how many there were."""
    expired = StoredFile.objects.filter(expires_at__lte=timezone.now(), deleted_at=None).exclude(pk__in=list(in_use))
    count = 0
    for row in expired.iterator(chunk_size=100):
        with transaction.atomic():
            _delete(row)
        count += 1
    return count


def clean_name(name: str) -> str:
    """The last part of a path, without what a terminal, a page or a shell could take for something else."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] not in "CZ" or letter == " ")
    cleaned = printable.strip().lstrip(".")[:LONGEST_NAME]
    return cleaned or "file"


def _delete(row: StoredFile) -> None:
    FileChunk.objects.filter(file=row).delete()
    StoredFile.objects.filter(pk=row.pk).update(deleted_at=timezone.now())


def _stored(
    account_id: int,
    project_id: int,
    name: str,
    purpose: Purpose,
    content: Iterable[bytes],
    lifetime: timedelta | None,
    url: str = "",
) -> FileFacts:
    row = StoredFile.objects.create(
        public_id=f"file-{get_random_string(24)}",
        account_id=account_id,
        project_id=project_id,
        name=name,
        purpose=purpose,
        url=url,
        expires_at=timezone.now() + lifetime if lifetime else None,
    )
    for position, data in enumerate(_pieces(content)):
        FileChunk.objects.create(file=row, position=position, data=data)
        row.size += len(data)
    row.save(update_fields=["size"])
    return facts(row)


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of CHUNK_BYTES."""
    waiting = bytearray()
    for part in content:
        waiting += part
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)
