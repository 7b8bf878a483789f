"""OpenAI's responses: made, read, listed, deleted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from apps.api.base import V1View
from apps.api.http import Request, Response, json_response
from apps.api.schemas import ResponsesRequest
from apps.api.schemas.responses import LOGPROBS, with_types
from apps.api.views import InferenceView
from apps.common.database import in_thread
from apps.common.errors import Invalid
from apps.gateway import services as gateway
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts
from apps.responses import selectors, services
from apps.responses.contracts import Asked

ENDPOINT = "responses"
MOST_ITEMS, USUAL_ITEMS = 100, 20
REPEATED = ("max_tool_calls", "metadata", "prompt_cache_key", "safety_identifier", "user")
Result = TypeVar("Result")


class ResponsesView(InferenceView):
    endpoint = ENDPOINT
    schema_class = ResponsesRequest
    output_limit_field = "max_output_tokens"

    def prepared(self, body: dict[str, Any]) -> dict[str, Any]:
        return with_types(body)

    async def complete(self, call: Call, parsed: ResponsesRequest) -> Answer:
        ours = {name: getattr(parsed, name) for name in REPEATED if getattr(parsed, name) is not None}
        asked = Asked(
            given=call.payload["input"],
            previous_response_id=parsed.previous_response_id or "",
            store=parsed.store is not False,
            repeated=call.payload | ours,
        )
        if parsed.wants_logprobs:
            call = replace(call, payload={**call.payload, "include": [LOGPROBS]})
        return await services.respond(call, asked)


class KeptView(V1View):
    """A view of what is kept for a key's project."""

    async def kept(self, request: Request, key: KeyFacts, work: Callable[..., Result], **arguments: Any) -> Result:
        """Runs a selector or a service with the owner that the key stands for. Raises ArtemisError."""
        key = await gateway.key_for(key, endpoint=ENDPOINT, address=request.caller)
        owner = {"account_id": key.account_id, "project_id": key.project_id}
        return await in_thread(lambda: work(**owner, **arguments))


class ResponseView(KeptView):
    async def get(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        if request.query.get("stream", "false").lower() not in ("false", "0", ""):
            raise Invalid("stream", "A stored response is read whole: only those in the background can be streamed.")
        return Response(body=await self.kept(request, key, selectors.response_of, public_id=public_id))

    async def delete(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        await self.kept(request, key, services.delete_response, public_id=public_id)
        return json_response({"id": public_id, "object": "response", "deleted": True})


class Paging(msgspec.Struct):
    """The query of a list."""

    limit: int = USUAL_ITEMS
    order: str = "desc"
    after: str = ""

    @classmethod
    def of(cls, query: dict[str, str]) -> "Paging":
        """Raises Invalid."""
        limit, order = query.get("limit", str(USUAL_ITEMS)), query.get("order", "desc")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= MOST_ITEMS):
            raise Invalid("limit", f"limit is a number from 1 to {MOST_ITEMS}.")
        if order not in ("asc", "desc"):
            raise Invalid("order", "order is 'asc' or 'desc'.")
        return cls(limit=int(limit), order=order, after=query.get("after", ""))


class InputItemsView(KeptView):
    async def get(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        paging = msgspec.structs.asdict(Paging.of(request.query))
        page = await self.kept(request, key, selectors.input_items_of, public_id=public_id, **paging)
        ids = [item["id"] for item in page.items] or [None]
        ends = {"first_id": ids[0], "last_id": ids[-1]}
        return json_response({"object": "list", "data": page.items, **ends, "has_more": page.has_more})


class CancelView(KeptView):
    async def post(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        return await self.kept(request, key, services.cancel_response, public_id=public_id)
