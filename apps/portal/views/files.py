"""A file for a browser, by a signed link: always to be saved, never shown as a page of ours."""

from collections.abc import AsyncIterator

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from apps.common.errors import NotFound
from apps.files import selectors
from apps.files.contracts import FileFacts


@require_GET
def download(request: HttpRequest, signed: str) -> StreamingHttpResponse:
    try:
        file = selectors.file_of_link(signed=signed)
    except NotFound as error:
        raise Http404(error.message) from error
    headers = {
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition_header(True, file.name) or "attachment",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(_pieces(file), content_type="application/octet-stream", headers=headers)


async def _pieces(file: FileFacts) -> AsyncIterator[bytes]:
    async for piece in selectors.stream_of_file(file=file):
        yield piece
