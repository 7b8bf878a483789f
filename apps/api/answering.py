"""One inference request, from its bytes to its answer: a caller's, or a line of a batch."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from apps.api.parsing import check, model_name, parse_object
from apps.api.schema_check import digest
from apps.catalog.contracts import ModelFacts
from apps.common.errors import Invalid
from apps.gateway import services
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts
from inference.client import NO_LIMITS, TimeLimits

Body = dict[str, Any]
NOTHING = frozenset[str]()


def as_it_is(body: Body) -> Body:
    return body


async def complete(call: Call, parsed: Any) -> Answer:
    return await services.complete(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What an inference endpoint takes: of which kind of model, in which form.

    `extensible`: a model's own engine extensions pass. `normalised` brings a body that may say the same in several
    ways into the one that the schema describes. `complete` answers the checked call.
    """

    name: str
    schema: Any
    kind: str = "chat"
    extensible: bool = True
    output_limit_field: str = "max_tokens"
    normalised: Callable[[Body], Body] = as_it_is
    complete: Callable[[Call, Any], Awaitable[Answer]] = complete

    def checked(self, body: Body, model: ModelFacts) -> tuple[Any, Body]:
        """The request and its payload for an engine. Raises Invalid."""
        if model.kind != self.kind:
            raise Invalid("model", f"{model.public_name} is a model for {model.kind}; use its endpoint.")
        extensions = model.extensions if self.extensible else NOTHING
        parsed, payload = check(self.normalised(body), self.schema, extensions=extensions)
        if model.unsupported:
            services.check_supported(model, parsed.for_engines(payload))
        return parsed, payload


async def call_of(
    raw: bytes,
    endpoint: Endpoint,
    *,
    key: KeyFacts,
    address: str,
    request_id: str,
    end_user: Callable[[str], str] = str,
    limits: TimeLimits = NO_LIMITS,
    service_tier: str = "default",
    prepaid: bool = False,
) -> tuple[Any, Call]:
    """The checked request and the call that it is for the gateway. Raises ArtemisError.

    `end_user`: whom the use is attributed to, from whom the request names.
    """
    body = parse_object(raw)
    key, model = await services.model_for(key, name=model_name(body), endpoint=endpoint.name, address=address)
    parsed, payload = endpoint.checked(body, model)
    if service_tier == "batch" and parsed.stream:
        raise Invalid("stream", "A line of a batch is answered whole: leave stream out.")
    call = Call(
        request_id=request_id,
        endpoint=endpoint.name,
        key=key,
        address=address,
        model=model,
        payload=parsed.prepared(payload),
        prompt_bytes=parsed.prompt_bytes(len(raw)),
        service_tier=service_tier,
        prepaid=prepaid,
        choices=parsed.choices,
        output_limit=parsed.output_limit,
        output_limit_field=endpoint.output_limit_field,
        stream=bool(parsed.stream),
        include_usage=parsed.include_usage,
        end_user=end_user(parsed.end_user),
        limits=limits,
        schemas=digest(parsed.json_schemas()),
        may_be_logged=parsed.may_be_logged,
        extensions=frozenset(payload.keys() - endpoint.schema.__struct_fields__) if model.extensions else NOTHING,
    )
    return parsed, call
