"""Reads files. What is owned is asked for by account and project."""

from collections.abc import AsyncGenerator, Iterator

from django.conf import settings
from django.core.signing import BadSignature
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.common.errors import Invalid, NotFound
from apps.files.contracts import DamagedError, FileFacts
from apps.files.links import signer
from apps.files.models import FileChunk, StoredFile
from apps.files.storage import contents
from apps.files.threads import stored


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


def file_of_link(*, signed: str) -> FileFacts:
    """What `services.link_to_file` made a link to. Raises NotFound, also for one that is over."""
    try:
        account_id, project_id, public_id = signer().unsign(signed, max_age=settings.FILES_LINK_SECONDS).split(".")
    except BadSignature as error:
        raise NotFound("This link is not good any more.", code="file_not_found") from error
    return file_of_project(account_id=int(account_id), project_id=int(project_id), public_id=public_id)


def pieces_of_file(*, file: FileFacts) -> Iterator[bytes]:
    """What is in it, up to CHUNK_BYTES at a time; between two of them nothing of the database is held.

    Raises NotFound where the file was deleted meanwhile, DamagedError, and Unavailable where the storage is away.
    """
    if not file.sha256:
        yield from (_chunk(file.id, position) for position in range(file.chunks))
        return
    try:
        yield from contents.pieces(account_id=file.account_id, sha256=file.sha256, size=file.size)
    except DamagedError:
        if not StoredFile.objects.filter(pk=file.id, deleted_at=None).exists():
            raise _gone() from None
        raise


async def stream_of_file(*, file: FileFacts) -> AsyncGenerator[bytes, None]:
    """The same for async code."""
    pieces = pieces_of_file(file=file)
    while piece := await stored(lambda: next(pieces, b"")):
        yield piece


def _chunk(file_id: int, position: int) -> bytes:
    data = FileChunk.objects.filter(file_id=file_id, position=position).values_list("data", flat=True).first()
    if data is None:
        raise _gone()
    return bytes(data)


def _gone() -> NotFound:
    return NotFound("The file is not there any more.", code="file_not_found")


def content_of_file(*, file: FileFacts) -> bytes:
    """The whole of a document. Raises Invalid for more than documents may have, NotFound where it was deleted."""
    most = settings.FILES_MAX_DOCUMENT_BYTES
    if file.size > most:
        raise Invalid("file", f"A document has at most {most / 2**20:g} MB.", code="request_too_large", status=413)
    return b"".join(pieces_of_file(file=file))


def lines_of_file(*, file: FileFacts, longest: int) -> Iterator[tuple[int, bytes]]:
    """(number, line) of those that are not blank, without holding more of the file than a piece and a line.

    Raises LineTooLongError, and what pieces_of_file raises.
    """
    number, rest = 0, b""
    for piece in pieces_of_file(file=file):
        *whole, rest = (rest + piece).split(b"\n")
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
        account_id=row.account_id,
        project_id=row.project_id,
        public_id=row.public_id,
        name=row.name,
        purpose=row.purpose,
        size=row.size,
        url=row.url,
        created_at=row.created_at,
        expires_at=row.expires_at,
        sha256=row.sha256,
    )


def _present(account_id: int, project_id: int) -> QuerySet[StoredFile]:
    unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return StoredFile.objects.filter(
        unexpired, account_id=account_id, project_id=project_id, deleted_at=None, is_pending=False
    )
