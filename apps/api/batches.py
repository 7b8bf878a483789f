"""/v1/batches: OpenAI's batch API."""

from datetime import datetime
from typing import Any

from apps.api.base import V1View
from apps.api.files import page
from apps.api.http import Request, Response, json_response
from apps.api.parsing import converted, parse_object, query_of
from apps.api.schemas.files import BatchesQuery, BatchRequest
from apps.api.views import check_headers
from apps.batches import selectors
from apps.batches import services as batches
from apps.batches.contracts import BatchFacts
from apps.common.database import in_thread
from apps.gateway import services
from apps.keys.contracts import KeyFacts

MOMENTS = (
    *("created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at"),
    *("cancelling_at", "cancelled_at"),
)


class BatchesView(V1View):
    route = "/v1/batches"

    async def get(self, request: Request, key: KeyFacts) -> Response:
        key = await services.permitted(key, endpoint="batches", address=request.caller)
        query = query_of(request.query, BatchesQuery)
        found, more = await in_thread(
            lambda: selectors.batches_of_project(
                account_id=key.account_id, project_id=key.project_id, limit=query.limit, after=query.after or ""
            )
        )
        return json_response(page([_card(batch) for batch in found], more))

    async def post(self, request: Request, key: KeyFacts) -> Response:
        check_headers(request)
        key = await services.permitted(key, endpoint="batches", address=request.caller)
        wanted = converted(parse_object(request.body), BatchRequest)
        lifetime = wanted.output_expires_after
        batch = await in_thread(
            lambda: batches.create_batch(
                key=key,
                address=request.caller,
                input_file=wanted.input_file_id,
                endpoint=wanted.endpoint,
                metadata=wanted.metadata,
                output_lifetime=lifetime.length if lifetime else None,
            )
        )
        return json_response(_card(batch))


class BatchView(V1View):
    route = "/v1/batches/{batch_id}"

    async def get(self, request: Request, key: KeyFacts, batch_id: str) -> Response:
        key = await services.permitted(key, endpoint="batches", address=request.caller)
        batch = await in_thread(
            lambda: selectors.batch_of_project(account_id=key.account_id, project_id=key.project_id, public_id=batch_id)
        )
        return json_response(_card(batch))


class BatchCancelView(V1View):
    route = "/v1/batches/{batch_id}/cancel"

    async def post(self, request: Request, key: KeyFacts, batch_id: str) -> Response:
        key = await services.permitted(key, endpoint="batches", address=request.caller)
        batch = await in_thread(
            lambda: batches.cancel_batch(account_id=key.account_id, project_id=key.project_id, public_id=batch_id)
        )
        return json_response(_card(batch))


def _card(batch: BatchFacts) -> dict[str, Any]:
    moments = {name: _seconds(getattr(batch, name)) for name in MOMENTS}
    return {
        "id": batch.public_id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        **moments,
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
