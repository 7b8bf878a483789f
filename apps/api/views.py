"""OpenAI's endpoints and Anthropic's: parse, call the gateway, answer."""

from typing import Any, ClassVar

from django.utils import timezone

from apps.api.answering import Endpoint, call_of
from apps.api.base import V1View
from apps.api.chat_search import complete as complete_chat
from apps.api.errors import ANTHROPIC
from apps.api.http import JSON, Request, Response, event_stream, json_response
from apps.api.options import end_user, time_limits
from apps.api.parsing import model_name, parse_object
from apps.api.schemas import ChatRequest, CompletionRequest, CountTokensRequest, EmbeddingRequest, MessagesRequest
from apps.catalog.contracts import ModelFacts
from apps.common.errors import Invalid, NotFound
from apps.gateway import services
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts


class InferenceView(V1View):
    """An endpoint that an engine answers."""

    takes: ClassVar[Endpoint]

    async def post(self, request: Request, key: KeyFacts) -> Response:
        check_headers(request)
        parsed, call = await call_of(
            request.body,
            self.takes,
            key=key,
            address=request.caller,
            request_id=self.request_id,
            end_user=lambda named: end_user(request, named),
            limits=time_limits(request),
        )
        return await self.answered(request, call, parsed)

    async def answered(self, request: Request, call: Call, parsed: Any) -> Response:
        return self.rendered(parsed, await self.takes.complete(call, parsed))

    def rendered(self, parsed: Any, answered: Answer) -> Response:
        if answered.stream is not None:
            return event_stream(answered.stream, answered.headers)
        return Response(body=answered.body, headers=dict(answered.headers))


def check_headers(request: Request) -> None:
    """Raises Invalid for what is no JSON as it is."""
    if request.content_type != JSON:
        problem = "Send JSON, with Content-Type: application/json."
    elif request.header(b"content-encoding") not in ("", "identity"):
        problem = "Send the body as it is, not compressed."
    else:
        return
    raise Invalid(None, problem, code="unsupported_media_type", status=415)


class ChatCompletionsView(InferenceView):
    takes = Endpoint(name="chat.completions", schema=ChatRequest, complete=complete_chat)


class CompletionsView(InferenceView):
    takes = Endpoint(name="completions", schema=CompletionRequest)


class EmbeddingsView(InferenceView):
    takes = Endpoint(name="embeddings", schema=EmbeddingRequest, kind="embedding")


class MessagesView(InferenceView):
    """Anthropic's dialect, which knows no fields of an engine's own."""

    dialect = ANTHROPIC
    takes = Endpoint(name="messages", schema=MessagesRequest, extensible=False)


class CountTokensView(MessagesView):
    takes = Endpoint(name="messages", schema=CountTokensRequest, extensible=False)

    async def post(self, request: Request, key: KeyFacts) -> Response:
        check_headers(request)
        body = parse_object(request.body)
        model = await services.model_now(key, name=model_name(body), endpoint=self.takes.name, address=request.caller)
        _, payload = self.takes.checked(body, model)
        count = await services.count_tokens(model, payload)
        said = {"x-artemis-token-count": "estimated" if count.estimated else "counted"}
        return json_response({"input_tokens": count.input_tokens}, headers=said)


class ModelsView(V1View):
    async def get(self, request: Request, key: KeyFacts) -> Response:
        models = await services.models_for(key, address=request.caller)
        return json_response({"object": "list", "data": [_card(model) for model in models]})


class ModelView(V1View):
    async def get(self, request: Request, key: KeyFacts, name: str) -> Response:
        models = await services.models_for(key, address=request.caller)
        for model in models:
            if model.public_name == name:
                return json_response(_card(model))
        raise NotFound(
            f"The model {name[:100]!r} does not exist or is not for this key.",
            code="model_not_found",
            param="model",
        )


def _card(model: ModelFacts) -> dict[str, Any]:
    price = model.price_at(timezone.now())
    return {
        "id": model.public_name,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": model.owned_by,
        "kind": model.kind,
        "context_length": model.context_length,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": list(model.capabilities),
        "pricing": price
        and {
            "unit": "nano-dollars per million tokens, and per search",
            "input": price.input,
            "cached_input": price.cached_input,
            "output": price.output,
            "reasoning": price.of_reasoning,
            "search": price.search,
        },
    }
