"""Reads an upload: to disk under a limit as it comes, then apart by Django's multipart parser."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from apps.api.http import Request
from apps.common.errors import Invalid, LimitExceeded

IN_MEMORY = 2**20
ENVELOPE_BYTES = 64 * 1024  # of a form, around its file
SECONDS = 600.0
MOST_AT_ONCE = 4  # of an account, in one process
PIECE = 2**20
_under_way: Counter[int] = Counter()
_NESTED = {"expires_after[anchor]": "anchor", "expires_after[seconds]": "seconds"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A form of one file and a few fields."""

    fields: dict[str, Any]
    name: str
    size: int
    file: "UploadedFile[bytes]"

    def pieces(self) -> Iterator[bytes]:
        return self.file.chunks(PIECE)


@contextlib.asynccontextmanager
async def received(request: Request, *, account_id: int, limit: int) -> AsyncIterator[Upload]:
    """The upload, until the block is left. `limit`: bytes of its file. Raises Invalid or LimitExceeded."""
    if request.content_type != "multipart/form-data":
        message = "Send a form, as multipart/form-data, or as application/json the url of a page."
        raise Invalid(None, message, code="unsupported_media_type", status=415)
    with place(account_id), tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        try:
            async with asyncio.timeout(SECONDS):
                size = await _spool(request, body, limit + ENVELOPE_BYTES)
        except TimeoutError:
            raise Invalid(None, "The upload took too long.", code="request_timeout", status=408) from None
        upload = await asyncio.to_thread(_parsed, request, body, size)
        try:
            if upload.size > limit:
                raise _too_large(limit)
            yield upload
        finally:
            upload.file.close()


@contextlib.contextmanager
def place(account_id: int) -> Iterator[None]:
    """Files take room on this machine's disk while they come: an account has few at once."""
    if _under_way[account_id] >= MOST_AT_ONCE:
        message = f"This account has {MOST_AT_ONCE} uploads under way; send this one when they are done."
        raise LimitExceeded(message, code="too_many_uploads", retry_after=5)
    _under_way[account_id] += 1
    try:
        yield
    finally:
        _under_way[account_id] -= 1
        if not _under_way[account_id]:
            del _under_way[account_id]


async def short_body(request: Request) -> bytes:
    """What is sent instead of a form. Raises Invalid where it is long or slow."""
    body, more = b"", True
    try:
        async with asyncio.timeout(settings.GATEWAY_BODY_SECONDS):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Invalid(None, "The request broke off.")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > ENVELOPE_BYTES:
                    text = f"The body is larger than {ENVELOPE_BYTES // 1024} kB."
                    raise Invalid(None, text, code="request_too_large", status=413)
    except TimeoutError:
        raise Invalid(None, "The body took too long.", code="request_timeout", status=408) from None
    return body


async def _spool(request: Request, body: IO[bytes], limit: int) -> int:
    """Writes what comes; its size. Raises Invalid as soon as it is more than `limit`, whatever the headers said."""
    declared = request.header(b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit - ENVELOPE_BYTES)
    size, more, waiting = 0, True, bytearray()
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Invalid(None, "The upload broke off.")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit - ENVELOPE_BYTES)
        waiting += part
        more = message.get("more_body", False)
        if len(waiting) >= PIECE or not more:  # a disk that is slow must not hold up the others' streams
            await asyncio.to_thread(body.write, bytes(waiting))
            waiting.clear()
    body.seek(0)
    return size


def _too_large(limit: int) -> Invalid:
    message = f"A file has at most {limit / 2**20:g} MB."
    return Invalid("file", message, code="request_too_large", status=413)


def _parsed(request: Request, body: Any, size: int) -> Upload:
    described = {"CONTENT_TYPE": request.header(b"content-type"), "CONTENT_LENGTH": str(size)}
    try:
        fields, files = MultiPartParser(described, body, [TemporaryFileUploadHandler()], "utf-8").parse()
    except (MultiPartParserError, RequestDataTooBig, SuspiciousOperation, ValueError) as error:
        raise Invalid(None, "The form could not be read as multipart/form-data.") from error
    found = [(name, file) for name in files for file in files.getlist(name)]
    try:
        if [name for name, _ in found] != ["file"]:
            raise Invalid("file", "Send one file, in the field 'file'.", code="missing_required_parameter")
        values = _values({name: fields.getlist(name) for name in fields})
    except Invalid:
        for _, file in found:
            file.close()
        raise
    file = found[0][1]
    return Upload(values, file.name or "", file.size or 0, file)


def _values(given: dict[str, list[str]]) -> dict[str, Any]:
    """The fields, those with brackets as an object. Raises Invalid for one that came twice."""
    values: dict[str, Any] = {}
    for name, found in given.items():
        if len(found) != 1:
            raise Invalid(name[:100], f"{name[:100]!r} stands twice in the form.")
        if inner := _NESTED.get(name):
            values.setdefault("expires_after", {})[inner] = found[0]
        elif name == "expires_after":
            raise Invalid(name, "Send expires_after[anchor] and expires_after[seconds].")
        else:
            values[name] = found[0]
    return values
