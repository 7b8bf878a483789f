"""OpenAI's endpoints and Anthropic's: parse, call the gateway, answer."""

from typing import Any, ClassVar

from django.utils import timezone

from apps.api.base import V1View
from apps.api.errors import ANTHROPIC
from apps.api.http import JSON, Request, Response, event_stream, json_response
from apps.api.options import end_user, time_limits
from apps.api.parsing import check, model_name, parse_object
from apps.api.schema_check import digest
from apps.api.schemas import ChatRequest, CompletionRequest, CountTokensRequest, EmbeddingRequest, MessagesRequest
from apps.catalog.contracts import ModelFacts
from apps.common.errors import Invalid, NotFound
from apps.gateway import services
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts


class InferenceView(V1View):
    """An endpoint that an engine answers. `extensible`: the model's own fields, beyond the published ones, pass."""

    endpoint: ClassVar[str]
    kind: ClassVar[str] = "chat"
    schema_class: ClassVar[Any]
    extensible: ClassVar[bool] = True
    output_limit_field: ClassVar[str] = "max_tokens"

    async def post(self, request: Request, key: KeyFacts) -> Response:
        body = _object(request)
        address = request.caller
        key, model = await services.model_for(key, name=model_name(body), endpoint=self.endpoint, address=address)
        parsed, payload = self._checked(self.prepared(body), model)
        answer = await self.complete(
            Call(
                request_id=self.request_id,
                endpoint=self.endpoint,
                key=key,
                address=address,
                model=model,
                payload=payload,
                prompt_bytes=len(request.body),
                choices=parsed.choices,
                output_limit=parsed.output_limit,
                output_limit_field=self.output_limit_field,
                stream=bool(parsed.stream),
                include_usage=parsed.include_usage,
                end_user=end_user(request, parsed.end_user),
                limits=time_limits(request),
                schemas=digest(parsed.json_schemas()),
            ),
            parsed,
        )
        return _response(answer)

    def prepared(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as the schema describes it, where a dialect has several ways to say the same."""
        return body

    async def complete(self, call: Call, parsed: Any) -> Answer:
        return await services.complete(call)

    def _checked(self, body: dict[str, Any], model: ModelFacts) -> tuple[Any, dict[str, Any]]:
        """The request and its payload for an engine. Raises Invalid."""
        if model.kind != self.kind:
            raise Invalid("model", f"{model.public_name} is a model for {model.kind}; use its endpoint.")
        return check(body, self.schema_class, extensions=model.extensions if self.extensible else frozenset())


def _object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises Invalid."""
    if request.content_type != JSON:
        problem = "Send JSON, with Content-Type: application/json."
    elif request.header(b"content-encoding") not in ("", "identity"):
        problem = "Send the body as it is, not compressed."
    else:
        return parse_object(request.body)
    raise Invalid(None, problem, code="unsupported_media_type", status=415)


def _response(answer: Answer) -> Response:
    if answer.stream is not None:
        return event_stream(answer.stream, answer.headers)
    return Response(body=answer.body, headers=dict(answer.headers))


class ChatCompletionsView(InferenceView):
    endpoint = "chat.completions"
    schema_class = ChatRequest


class CompletionsView(InferenceView):
    endpoint = "completions"
    schema_class = CompletionRequest


class EmbeddingsView(InferenceView):
    endpoint, kind = "embeddings", "embedding"
    schema_class = EmbeddingRequest


class MessagesView(InferenceView):
    """Anthropic's dialect, which knows no fields of an engine's own."""

    dialect = ANTHROPIC
    endpoint = "messages"
    schema_class: ClassVar[Any] = MessagesRequest
    extensible = False


class CountTokensView(MessagesView):
    schema_class = CountTokensRequest

    async def post(self, request: Request, key: KeyFacts) -> Response:
        body = _object(request)
        model = await services.model_now(key, name=model_name(body), endpoint=self.endpoint, address=request.caller)
        _, payload = self._checked(body, model)
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
            "unit": "nano-dollars per million tokens",
            "input": price.input,
            "cached_input": price.cached_input,
            "output": price.output,
        },
    }
