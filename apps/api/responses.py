"""OpenAI's responses: made, read, listed, deleted."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from apps.api.answering import Endpoint
from apps.api.base import V1View
from apps.api.file_search import annotations, chosen_tool, findings, search_item
from apps.api.http import Request, Response, json_response
from apps.api.parsing import query_of
from apps.api.schemas import ResponsesRequest
from apps.api.schemas.responses import LOGPROBS, RESULTS, with_types
from apps.api.views import InferenceView
from apps.common.database import in_thread
from apps.common.errors import Invalid
from apps.gateway import services as gateway
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts
from apps.knowledge.services import admitted
from apps.responses import selectors, services
from apps.responses.contracts import Asked, Found

ENDPOINT = "responses"
REPEATED = ("background", "max_tool_calls", "metadata", "prompt_cache_key", "safety_identifier", "user")
Result = TypeVar("Result")


def asked_of(call: Call, parsed: ResponsesRequest) -> tuple[Call, Asked]:
    """The call, and what of its request is no engine's."""
    ours = {name: getattr(parsed, name) for name in REPEATED if getattr(parsed, name) is not None}
    asked = Asked(
        given=call.payload["input"],
        previous_response_id=parsed.previous_response_id or "",
        store=parsed.store is not False,
        repeated=call.payload | ours,
    )
    if parsed.searches:
        call = replace(call, payload=parsed.for_engines(call.payload))
    if parsed.wants_logprobs:
        call = replace(call, payload={**call.payload, "include": [LOGPROBS]})
    return call, asked


async def with_findings(call: Call, parsed: ResponsesRequest) -> tuple[Call, Asked]:
    """The same, with what the caller's vector stores have about it where that is asked for. Raises ArtemisError."""
    call, asked = asked_of(call, parsed)
    if tool := chosen_tool(parsed.tools, parsed.tool_choice):
        call = await admitted(call)
        found = await findings(call, tool, parsed.questions)
        item = search_item(found, with_results=RESULTS in (parsed.include or ()))
        asked = replace(asked, found=Found(item=item, told=found.told, annotations=partial(annotations, found)))
    return call, asked


async def respond(call: Call, parsed: ResponsesRequest) -> Answer:
    return await services.respond(*await with_findings(call, parsed))


class ResponsesView(InferenceView):
    takes = Endpoint(
        name=ENDPOINT,
        schema=ResponsesRequest,
        output_limit_field="max_output_tokens",
        normalised=with_types,
        complete=respond,
    )

    async def answered(self, request: Request, call: Call, parsed: ResponsesRequest) -> Response:
        if parsed.background:
            taken_on = await services.begin_in_background(*asked_of(call, parsed), request.body)
            return self.rendered(parsed, taken_on)
        return await super().answered(request, call, parsed)


class KeptView(V1View):
    """A view of what is kept for a key's project."""

    async def kept(self, request: Request, key: KeyFacts, work: Callable[..., Result], **arguments: Any) -> Result:
        """Runs a selector or a service with the owner that the key stands for. Raises ArtemisError."""
        key = await gateway.permitted(key, endpoint=ENDPOINT, address=request.caller)
        owner = {"account_id": key.account_id, "project_id": key.project_id}
        return await in_thread(lambda: work(**owner, **arguments))


class ResponseView(KeptView):
    route = "/v1/responses/{response_id}"

    async def get(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        if query_of(request.query, Reading).stream in ("true", "1"):
            raise Invalid("stream", "A stored response is read whole; none can be streamed again.")
        return Response(body=await self.kept(request, key, selectors.response_of, public_id=public_id))

    async def delete(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        await self.kept(request, key, services.delete_response, public_id=public_id)
        return json_response({"id": public_id, "object": "response", "deleted": True})


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[str, msgspec.Meta(max_length=100)] = ""
    include: str | None = None


class Reading(msgspec.Struct, forbid_unknown_fields=True):
    """The query of one response."""

    stream: Literal["true", "false", "1", "0", ""] = "false"
    include: str | None = None


class InputItemsView(KeptView):
    route = "/v1/responses/{response_id}/input_items"

    async def get(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        asked = query_of(request.query, Paging)
        paging = {"limit": asked.limit, "order": asked.order, "after": asked.after}
        page = await self.kept(request, key, selectors.input_items_of, public_id=public_id, **paging)
        ids = [item["id"] for item in page.items] or [None]
        ends = {"first_id": ids[0], "last_id": ids[-1]}
        return json_response({"object": "list", "data": page.items, **ends, "has_more": page.has_more})


class CancelView(KeptView):
    route = "/v1/responses/{response_id}/cancel"

    async def post(self, request: Request, key: KeyFacts, public_id: str) -> Response:
        return Response(body=await self.kept(request, key, services.cancel_response, public_id=public_id))
