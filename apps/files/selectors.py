"""Reads files. What is owned is asked for by account and project."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.common.errors import Invalid, NotFound
from apps.files.contracts import FileFacts
from apps.files.models import FileChunk, StoredFile


class LineTooLongError(Exception):
    """A line of a file is longer than asked for."""

    def __init__(self, number: int) -> None:
        super().__init__(f"line {number} is too long")
        self.number = number


def file_of_project(*, account_id: int, project_id: int, public_id: str) -> FileFacts:
    """Raises NotFound, also for what is somebody else's, deleted or expired."""
    row = named(_present(account_id, project_id), public_id)
    if row is None:
        raise NotFound(f"There is no file {public_id[:100]!r}.", code="file_not_found")
    return facts(row)


def files_of_project(
    *, account_id: int, project_id: int, limit: int, newest_first: bool = True, after: str = "", purpose: str = ""
) -> tuple[list[FileFacts], bool]:
    """A page of files, from behind the one named `after`; whether there are more."""
    rows = _present(account_id, project_id)
    if purpose:
        rows = rows.filter(purpose=purpose)
    if after:
        last = file_of_project(account_id=account_id, project_id=project_id, public_id=after).id
        rows = rows.filter(pk__lt=last) if newest_first else rows.filter(pk__gt=last)
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    return [facts(row) for row in found[:limit]], len(found) > limit


def chunk_of_file(*, file_id: int, position: int) -> bytes:
    """Raises NotFound where the file was deleted meanwhile."""
    data = FileChunk.objects.filter(file_id=file_id, position=position).values_list("data", flat=True).first()
    if data is None:
        raise NotFound("The file is not there any more.", code="file_not_found")
    return bytes(data)


def content_of_file(*, file: FileFacts) -> bytes:
    """The whole of a document. Raises Invalid for more than documents may have, NotFound where it was deleted."""
    most = settings.FILES_MAX_DOCUMENT_BYTES
    if file.size > most:
        raise Invalid("file", f"A document has at most {most / 2**20:g} MB.", code="request_too_large", status=413)
    return b"".join(chunk_of_file(file_id=file.id, position=position) for position in range(file.chunks))


def lines_of_file(*, file: FileFacts, longest: int) -> Iterator[tuple[int, bytes]]:
    """(number, line) of those that are not blank, without holding more of the file than a piece and a line.

    Raises LineTooLongError, and NotFound where the file was deleted meanwhile.
    """
    number, rest = 0, b""
    for position in range(file.chunks):
        *whole, rest = (rest + chunk_of_file(file_id=file.id, position=position)).split(b"\n")
        for line in whole:
            number += 1
            if len(line) > longest:
                raise LineTooLongError(number)
            if line.strip():
                yield number, line
        if len(rest) > longest:
            raise LineTooLongError(number + 1)
    if rest.strip():
        yield number + 1, rest


def named(rows: QuerySet[StoredFile], public_id: str) -> StoredFile | None:
    """The one of this id. What cannot be printed names none: PostgreSQL would choke on a NUL."""
    return rows.filter(public_id=public_id[:100]).first() if public_id.isprintable() else None


def facts(row: StoredFile) -> FileFacts:
    return FileFacts(
        id=row.pk,
        public_id=row.public_id,
        name=row.name,
        purpose=row.purpose,
        size=row.size,
        url=row.url,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _present(account_id: int, project_id: int) -> QuerySet[StoredFile]:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return StoredFile.objects.filter(unexpired, account_id=account_id, project_id=project_id, deleted_at=None)
