"""/v1/vector_stores: OpenAI's vector stores and the search in them. Their files: apps/api/store_files.py."""

from typing import Any

from apps.api.base import V1View
from apps.api.file_search import findings_card
from apps.api.files import page
from apps.api.http import Request, Response, json_response
from apps.api.parsing import converted, parse_object, query_of
from apps.api.schemas.vector_stores import ENDPOINT, ChangeStore, CreateStore, SearchStore, StoresQuery, chunking_of
from apps.api.views import check_headers
from apps.common.database import in_thread
from apps.gateway import services
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import FileCounts, Hit, Question, StoreFacts, ToAttach


class StoresView(V1View):
    route = "/v1/vector_stores"

    async def get(self, request: Request, key: KeyFacts) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        query = query_of(request.query, StoresQuery)
        found, more = await in_thread(
            lambda: selectors.stores_of_project(
                account_id=key.account_id,
                project_id=key.project_id,
                limit=query.limit,
                newest_first=query.order == "desc",
                after=query.after or "",
                before=query.before or "",
            )
        )
        return json_response(page([store_card(store) for store in found], more))

    async def post(self, request: Request, key: KeyFacts) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        wanted = converted(parse_object(request.body or b"{}"), CreateStore)
        chunking = chunking_of(wanted.chunking_strategy)
        model = await knowledge.embedding_model(key, name=wanted.embedding_model or "", address=request.caller)
        store = await in_thread(
            lambda: knowledge.create_store(
                key=key,
                address=request.caller,
                embedding_model=model,
                name=wanted.name or "",
                description=wanted.description or "",
                metadata=wanted.metadata,
                expires_days=wanted.expires_after.days if wanted.expires_after else None,
                files=[ToAttach(file_id=name, chunking=chunking) for name in wanted.file_ids or []],
            )
        )
        return json_response(store_card(store))


class StoreView(V1View):
    route = "/v1/vector_stores/{vector_store_id}"

    async def get(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        return json_response(store_card(await store_of(request, key, store_id)))

    async def post(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        wanted = converted(parse_object(request.body), ChangeStore)
        model = await self._model(request, key, store_id, wanted.embedding_model or "")
        store = await in_thread(
            lambda: knowledge.change_store(
                account_id=key.account_id,
                project_id=key.project_id,
                public_id=store_id,
                changes=wanted.changes(),
                model=model,
                key=key,
                address=request.caller,
            )
        )
        return json_response(store_card(store))

    @staticmethod
    async def _model(request: Request, key: KeyFacts, store_id: str, name: str) -> str:
        """The model to change to. The store's own one ends a change, and needs no leave. Raises ArtemisError."""
        if not name:
            return ""
        store = await in_thread(
            lambda: selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store_id)
        )
        if name == store.embedding_model:
            return name
        return await knowledge.embedding_model(key, name=name, address=request.caller)

    async def delete(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
        await in_thread(
            lambda: knowledge.delete_store(account_id=key.account_id, project_id=key.project_id, public_id=store_id)
        )
        return json_response({"id": store_id, "object": "vector_store.deleted", "deleted": True})


class SearchView(V1View):
    route = "/v1/vector_stores/{vector_store_id}/search"

    async def post(self, request: Request, key: KeyFacts, store_id: str) -> Response:
        check_headers(request)
        wanted = converted(parse_object(request.body), SearchStore)
        store = await store_of(request, key, store_id)
        question = Question(
            key=key,
            address=request.caller,
            request_id=self.request_id,
            stores=[store],
            queries=wanted.queries,
            wanted=wanted.wanted(),
        )
        found = await knowledge.find(question)
        return json_response(
            {
                "object": "vector_store.search_results.page",
                "search_query": found.queries,
                "data": [hit_card(hit) for hit in found.hits],
                "has_more": False,
                "next_page": None,
                "artemis": findings_card(found),
            }
        )


async def store_of(request: Request, key: KeyFacts, store_id: str) -> StoreFacts:
    """Raises NotFound, Forbidden or LimitReached."""
    key = await services.permitted(key, endpoint=ENDPOINT, address=request.caller)
    return await in_thread(
        lambda: selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store_id)
    )


def store_card(store: StoreFacts) -> dict[str, Any]:
    return {
        "id": store.public_id,
        "object": "vector_store",
        "created_at": int(store.created_at.timestamp()),
        "name": store.name,
        "description": store.description or None,
        "usage_bytes": store.usage_bytes,
        "file_counts": counts_card(store.counts),
        "status": store.status,
        "expires_after": store.expires_days and {"anchor": "last_active_at", "days": store.expires_days},
        "expires_at": store.expires_at and int(store.expires_at.timestamp()),
        "last_active_at": int(store.last_active_at.timestamp()),
        "metadata": store.metadata,
        "embedding_model": store.embedding_model,
        "artemis": {"reembedding": reembedding_card(store)},
    }


def reembedding_card(store: StoreFacts) -> dict[str, Any] | None:
    """How far a change of the embedding model is; None where none is under way or has failed."""
    change = store.reembedding
    if change is None:
        return None
    return {
        "embedding_model": change.model,
        "status": change.status,
        "passages": store.passages,
        "passages_embedded": min(change.passages_done, store.passages),
        "error": change.error_message or None,
        "waits_for": change.waits_for or None,
        "created_at": int(change.created_at.timestamp()),
    }


def counts_card(counts: FileCounts) -> dict[str, int]:
    return {
        "in_progress": counts.in_progress,
        "completed": counts.completed,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "total": counts.total,
    }


def hit_card(hit: Hit) -> dict[str, Any]:
    """OpenAI's result, and under `artemis` where the passage stands and what its score is made of."""
    return {
        "file_id": hit.file_id,
        "filename": hit.filename,
        "score": round(hit.score, 6),
        "attributes": hit.attributes,
        "content": [{"type": "text", "text": hit.text}],
        "artemis": {
            "passage": hit.position,
            "page": hit.page,
            "headings": list(hit.headings),
            "bm25": hit.bm25,
            "cosine": hit.cosine,
            "fused": round(hit.fused, 6),
            "rerank": hit.rerank,
            "because": hit.because or None,
        },
    }
