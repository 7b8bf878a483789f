"""/v1/vector_stores/{id}/files and /file_batches: what is in a vector store, and how far it is read."""

from typing import Any

from apps.api.base import V1View
from apps.api.files import page
from apps.api.http import Request, Response, json_response
from apps.api.parsing import converted, parse_object, query_of
from apps.api.schemas.vector_stores import ENDPOINT, AttachBatch, AttachFile, ChangeFile, StoreFilesQuery
from apps.api.vector_stores import counts_card
from apps.api.views import check_headers
from apps.common.database import in_thread
from apps.gateway import services
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import BatchFacts, DocumentFacts


class StoreFilesView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/files"

    async def get(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        return await _listed(request, key, store_id)

    async def post(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        wanted = converted(parse_object(request.body), AttachFile).wanted()
        document = await in_thread(
            lambda: knowledge.attach(key=key, address=request.caller, store_id=store_id, file=wanted)
        )
        return json_response(_card(document))


class StoreFileView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/files/{file_id}"

    async def get(self, request: Request, key: KeyFacts, store_id: str, file_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        document = await in_thread(
            lambda: selectors.document_of_store(
                account_id=key.account_id, project_id=key.project_id, store_id=store_id, file_id=file_id
            )
        )
        return json_response(_card(document))

    async def post(self, request: Request, key: KeyFacts, store_id: str, file_id: str) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        attributes = converted(parse_object(request.body), ChangeFile).attributes or {}
        document = await in_thread(
            lambda: knowledge.change_attributes(
                account_id=key.account_id,
                project_id=key.project_id,
                store_id=store_id,
                file_id=file_id,
                attributes=attributes,
            )
        )
        return json_response(_card(document))

    async def delete(self, request: Request, key: KeyFacts, store_id: str, file_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        await in_thread(
            lambda: knowledge.remove(
                account_id=key.account_id, project_id=key.project_id, store_id=store_id, file_id=file_id
            )
        )
        return json_response({"id": file_id, "object": "vector_store.file.deleted", "deleted": True})


class StoreFileContentView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/files/{file_id}/content"

    async def get(self, request: Request, key: KeyFacts, store_id: str, file_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        texts = await in_thread(
            lambda: selectors.text_of_document(
                account_id=key.account_id, project_id=key.project_id, store_id=store_id, file_id=file_id
            )
        )
        return json_response(
            {
                "object": "vector_store.file_content.page",
                "data": [{"type": "text", "text": text} for text in texts],
                "has_more": False,
                "next_page": None,
            }
        )


class FileBatchesView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/file_batches"

    async def post(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        wanted = converted(parse_object(request.body), AttachBatch).wanted()
        batch = await in_thread(
            lambda: knowledge.attach_batch(key=key, address=request.caller, store_id=store_id, files=wanted)
        )
        return json_response(_batch_card(batch))


class FileBatchView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}"

    async def get(self, request: Request, key: KeyFacts, store_id: str, batch_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        batch = await in_thread(
            lambda: selectors.batch_of_store(
                account_id=key.account_id, project_id=key.project_id, store_id=store_id, batch_id=batch_id
            )
        )
        return json_response(_batch_card(batch))


class FileBatchCancelView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"

    async def post(self, request: Request, key: KeyFacts, store_id: str, batch_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        batch = await in_thread(
            lambda: knowledge.cancel_batch(
                account_id=key.account_id, project_id=key.project_id, store_id=store_id, batch_id=batch_id
            )
        )
        return json_response(_batch_card(batch))


class FilesOfBatchView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files"

    async def get(self, request: Request, key: KeyFacts, store_id: str, batch_id: str) -> Response:
        return await _listed(request, key, store_id, batch_id)


async def _listed(request: Request, key: KeyFacts, store_id: str, batch_id: str = "") -> Response:
    key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
    query = query_of(request.query, StoreFilesQuery)
    found, more = await in_thread(
        lambda: selectors.documents_of_store(
            account_id=key.account_id,
            project_id=key.project_id,
            store_id=store_id,
            limit=query.limit,
            newest_first=query.order == "desc",
            after=query.after or "",
            before=query.before or "",
            status=query.filter or "",
            batch_id=batch_id,
        )
    )
    return json_response(page([_card(document) for document in found], more))


def _card(document: DocumentFacts) -> dict[str, Any]:
    """OpenAI's, and under `artemis` how far it is read, and what it waits for."""
    sizes = {
        "max_chunk_size_tokens": document.chunking.max_tokens,
        "chunk_overlap_tokens": document.chunking.overlap,
    }
    error = {"code": document.error_code, "message": document.error_message}
    return {
        "id": document.file_id,
        "object": "vector_store.file",
        "created_at": int(document.created_at.timestamp()),
        "vector_store_id": document.store_id,
        "status": document.status,
        "last_error": error if document.error_code else None,
        "usage_bytes": document.usage_bytes,
        "attributes": document.attributes,
        "chunking_strategy": {"type": "static", "static": sizes},
        "artemis": {
            "stage": document.stage if document.status == "in_progress" else None,
            "waits_for": document.waits_for or None,
            "passages": document.passages_total,
            "passages_embedded": document.passages_done,
            "pages": document.pages,
            "media_type": document.media_type or None,
            "language": document.language or None,
        },
    }


def _batch_card(batch: BatchFacts) -> dict[str, Any]:
    return {
        "id": batch.public_id,
        "object": "vector_store.files_batch",
        "created_at": int(batch.created_at.timestamp()),
        "vector_store_id": batch.store_id,
        "status": batch.status,
        "file_counts": counts_card(batch.counts),
    }
