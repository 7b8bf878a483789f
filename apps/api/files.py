"""/v1/files: what batches read and write, and documents."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.api.base import V1View
from apps.api.http import JSON, Request, Response, json_response
from apps.api.parsing import converted, parse_object, query_of
from apps.api.schemas.files import FilesQuery, PageForm, UploadForm
from apps.api.uploads import place, received, short_body
from apps.batches import services as batches
from apps.common.database import in_thread
from apps.files import selectors
from apps.files import services as files
from apps.files.contracts import FileFacts
from apps.gateway import services
from apps.gateway.contracts import Write
from apps.keys.contracts import KeyFacts
from apps.knowledge import services as knowledge

USUAL_LIFETIME = timedelta(days=30)  # as OpenAI keeps what is uploaded for a batch


class FilesView(V1View):
    takes_uploads = True
    route = "/v1/files"

    async def get(self, request: Request, key: KeyFacts) -> Response:
        key = await services.permitted(key, endpoint="files", address=request.caller)
        query = query_of(request.query, FilesQuery)
        found, more = await in_thread(
            lambda: selectors.files_of_project(
                account_id=key.account_id,
                project_id=key.project_id,
                limit=query.limit,
                newest_first=query.order == "desc",
                after=query.after or "",
                purpose=query.purpose or "",
            )
        )
        return json_response(page([_card(file) for file in found], more))

    async def post(self, request: Request, key: KeyFacts) -> Response:
        key = await services.permitted(key, endpoint="files", address=request.caller)
        if request.content_type == JSON:
            return json_response(_card(await self._fetched(request, key)))
        most = max(settings.GATEWAY_MAX_FILE_BYTES, settings.FILES_MAX_DOCUMENT_BYTES)
        async with received(request, account_id=key.account_id, limit=most) as upload:
            form = converted(upload.fields, UploadForm, strict=False)
            file = await files.stored(
                lambda: files.upload_file(
                    account_id=key.account_id,
                    project_id=key.project_id,
                    name=upload.name,
                    content=upload.pieces(),
                    size=upload.size,
                    lifetime=_lifetime(form),
                    purpose=form.purpose,
                )
            )
        return json_response(_card(file))

    @staticmethod
    async def _fetched(request: Request, key: KeyFacts) -> FileFacts:
        """A page of the web, kept as a file."""
        form = converted(parse_object(await short_body(request)), PageForm)
        with place(key.account_id):
            async with files.fetched(form.url) as page:
                return await files.stored(
                    lambda: files.upload_file(
                        account_id=key.account_id,
                        project_id=key.project_id,
                        name=page.name,
                        content=page.pieces(),
                        size=page.size,
                        lifetime=form.expires_after.length if form.expires_after else None,
                        purpose=form.purpose,
                        url=form.url,
                    )
                )


class FileView(V1View):
    route = "/v1/files/{file_id}"

    async def get(self, request: Request, key: KeyFacts, file_id: str) -> Response:
        return json_response(_card(await _file(request, key, file_id)))

    async def delete(self, request: Request, key: KeyFacts, file_id: str) -> Response:
        key = await services.permitted(key, endpoint="files", address=request.caller)
        await in_thread(lambda: _delete(key, file_id))
        return json_response({"id": file_id, "object": "file", "deleted": True})


class FileContentView(V1View):
    route = "/v1/files/{file_id}/content"

    async def get(self, request: Request, key: KeyFacts, file_id: str) -> Response:
        file = await _file(request, key, file_id)
        stream = FileStream(file)
        await stream.open()
        headers = {
            "content-length": str(file.size),
            "content-disposition": f'attachment; filename="{file.public_id}"',
            "x-content-type-options": "nosniff",
        }
        return Response(content_type="application/octet-stream", headers=headers, stream=stream)


class FileStream:
    """A file's content, piece by piece; between two of them nothing of the database is held."""

    def __init__(self, file: FileFacts) -> None:
        self._left = file.size
        self._pieces = selectors.stream_of_file(file=file)
        self._first = b""

    async def open(self) -> None:
        """Raises what can be wrong with it as long as the answer can still say so."""
        self._first = await self._next()

    async def pump(self, write: Write) -> None:
        piece = self._first
        while self._left > len(piece) > 0:
            self._left -= len(piece)
            await write(piece)
            piece = await self._next()
        await write(piece, last=True)

    async def _next(self) -> bytes:
        return await anext(self._pieces, b"")

    async def abandon(self) -> None:
        await self._pieces.aclose()


@transaction.atomic
def _delete(key: KeyFacts, file_id: str) -> None:
    """Also out of the vector stores that it is in."""
    batches.delete_file(account_id=key.account_id, project_id=key.project_id, public_id=file_id)
    knowledge.remove_file(account_id=key.account_id, project_id=key.project_id, file_id=file_id)


async def _file(request: Request, key: KeyFacts, file_id: str) -> FileFacts:
    key = await services.permitted(key, endpoint="files", address=request.caller)
    return await in_thread(
        lambda: selectors.file_of_project(account_id=key.account_id, project_id=key.project_id, public_id=file_id)
    )


def _lifetime(form: UploadForm) -> timedelta | None:
    """Documents stay until they are deleted where nothing else is said, as OpenAI's do."""
    if form.expires_after:
        return form.expires_after.length
    return USUAL_LIFETIME if form.purpose == "batch" else None


def page(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A page of a list, as OpenAI's clients turn it."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, **ends, "has_more": more}


def _card(file: FileFacts) -> dict[str, Any]:
    return {
        "id": file.public_id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": file.expires_at and int(file.expires_at.timestamp()),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
        **({"url": file.url} if file.url else {}),
    }
