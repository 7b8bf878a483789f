"""Providers that do not speak OpenAI's protocol, Claude among them: LiteLLM translates, both ways."""

from typing import Any

import httpx
import litellm
import msgspec

from inference.errors import EngineError, EngineRefused, EngineTimeout, EngineUnreachable
from inference.router import Deployment

litellm.suppress_debug_info = True
litellm.drop_params = True  # what a provider cannot do (logprobs at Claude's) is left out rather than refused
_encode = msgspec.json.Encoder().encode
# They know no key: the process's own environment (a role, a service account) says who calls.
_KEYLESS = frozenset({"bedrock", "sagemaker", "vertex_ai"})
_CALLS = {
    "/chat/completions": litellm.acompletion,
    "/completions": litellm.atext_completion,
    "/embeddings": litellm.aembedding,
    "/rerank": litellm.arerank,
}


class TranslatedUpstream:
    """LiteLLM's answer, written as OpenAI would."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._ended = False

    async def body(self) -> bytes:
        return _encode(_as_openai(self._answer.model_dump(mode="json", exclude_none=True)))

    async def read(self) -> bytes:
        if self._ended:
            return b""
        try:
            chunk = await anext(self._answer)
        except StopAsyncIteration:
            self._ended = True
            return b"data: [DONE]\n\n"
        except Exception as error:
            raise _engine_error(error) from error
        return b"data: %s\n\n" % _encode(_as_openai(chunk.model_dump(mode="json", exclude_none=True)))

    async def close(self, *, finished: bool = False) -> None:
        closing = getattr(self._answer, "aclose", None)
        if closing is not None:
            await closing()


def _as_openai(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what LiteLLM adds: its own idea of the cost, and an empty choice beside a stream's final count."""
    if usage := fields.get("usage"):
        usage.pop("cost", None)
        if fields.get("object") == "chat.completion.chunk":
            fields["choices"] = [one for one in fields["choices"] if one["delta"] or "finish_reason" in one]
    elif meta := fields.get("meta"):  # Cohere's count of a reranking
        units, tokens = meta.get("billed_units") or {}, meta.get("tokens") or {}
        if total := units.get("total_tokens") or tokens.get("input_tokens"):
            fields["usage"] = {"total_tokens": total}
    return fields


async def open_translated(deployment: Deployment, path: str, payload: dict[str, Any]) -> TranslatedUpstream:
    """Calls the provider through LiteLLM. `payload` is the checked request in OpenAI's form. Raises EngineError."""
    try:
        answer = await _CALLS[path](
            **payload,
            model=f"{deployment.provider}/{deployment.upstream_model}",
            api_base=deployment.api_base or None,
            api_key=deployment.api_key.strip() or _no_key(deployment),
            timeout=httpx.Timeout(deployment.timeout, connect=5.0, read=deployment.stream_timeout),
            max_retries=0,
            num_retries=0,
        )
    except Exception as error:
        raise _engine_error(error) from error
    return TranslatedUpstream(answer)


def _no_key(deployment: Deployment) -> str | None:
    """Told None, LiteLLM would take the provider's key from our environment and send it to whatever api_base says."""
    return None if deployment.provider in _KEYLESS else "none"


def _engine_error(error: Exception) -> EngineError:
    """LiteLLM raises OpenAI's exception classes for every provider."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, litellm.Timeout):
        return EngineTimeout("the provider was silent for too long")
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or isinstance(error, litellm.APIConnectionError):
        return EngineUnreachable(f"the provider could not be reached: {type(error).__name__}")
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    retry_after = headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.replace(".", "", 1).isdigit() else None
    return EngineRefused(status, str(getattr(error, "message", "")).encode(), seconds)
