"""One inference request in OpenAI's dialect, from its bytes to its answer: a caller's, or a line of a batch."""

from typing import Any

from apps.api.parsing import check, model_name, parse_object
from apps.common.errors import Invalid
from apps.gateway import services
from apps.gateway.contracts import Answer, Call
from apps.keys.contracts import KeyFacts


async def answer(
    raw: bytes,
    *,
    endpoint: str,
    kind: str,
    schema: Any,
    key: KeyFacts,
    address: str,
    request_id: str,
    service_tier: str = "default",
    prepaid: bool = False,
) -> tuple[Any, Answer]:
    """The checked request and the gateway's answer to it. `kind`: of model. Raises ArtemisError."""
    body = parse_object(raw)
    key, model = await services.model_for(key, name=model_name(body), endpoint=endpoint, address=address)
    if model.kind != kind:
        raise Invalid("model", f"{model.public_name} is a model for {model.kind}; use its endpoint.")
    parsed, payload = check(body, schema, extensions=model.extensions)
    if service_tier == "batch" and parsed.stream:
        raise Invalid("stream", "A line of a batch is answered whole: leave stream out.")
    call = Call(
        request_id=request_id,
        endpoint=endpoint,
        key=key,
        address=address,
        model=model,
        payload=parsed.prepared(payload),
        prompt_bytes=parsed.prompt_bytes(len(raw)),
        service_tier=service_tier,
        prepaid=prepaid,
        choices=parsed.choices,
        output_limit=parsed.output_limit,
        stream=bool(parsed.stream),
        include_usage=bool(parsed.stream and parsed.stream_options and parsed.stream_options.include_usage),
        end_user=getattr(parsed, "safety_identifier", None) or parsed.user or "",
    )
    return parsed, await services.complete(call)
