"""Providers that do not speak OpenAI's protocol, Claude among them: LiteLLM translates, both ways."""

from collections.abc import Callable
from typing import Any, Protocol

import httpx
import litellm
import msgspec
from litellm.utils import TextCompletionStreamWrapper

from inference.client import NO_LIMITS, TimeLimits
from inference.errors import EngineError, EngineGarbled, EngineRefused, EngineTimeout, EngineUnreachable
from inference.responses_writer import ENDS, ResponsesWriter, as_chat
from inference.router import Deployment

litellm.suppress_debug_info = True
litellm.use_chat_completions_url_for_anthropic_messages = True  # not every "openai" server has /responses
litellm.drop_params = True  # what a provider cannot do (logprobs at Claude's) is left out rather than refused
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
# They know no key: the process's own environment (a role, a service account) says who calls.
_KEYLESS = frozenset({"bedrock", "sagemaker", "vertex_ai"})
_NOT_CHATS = frozenset({"best_of", "echo", "logprobs", "suffix"})  # of a completion


class Writer(Protocol):
    """Puts one answer, or its events one by one, into a dialect; `done` ends a stream."""

    @property
    def done(self) -> bytes: ...

    def whole(self, fields: dict[str, Any]) -> bytes: ...

    def event(self, fields: dict[str, Any]) -> bytes: ...


class ChunkWriter:
    done = b"data: [DONE]\n\n"

    def whole(self, fields: dict[str, Any]) -> bytes:
        return _encode(_as_openai(fields))

    def event(self, fields: dict[str, Any]) -> bytes:
        return b"data: %s\n\n" % _encode(_as_openai(fields))


_WRITERS: dict[str, Callable[[], Writer]] = {"/responses": ResponsesWriter}


class TranslatedUpstream:
    """LiteLLM's answer, written as OpenAI would."""

    def __init__(self, answer: Any, writer: Writer) -> None:
        self._answer = answer
        self._writer = writer
        self._ended = False

    async def body(self) -> bytes:
        return self._writer.whole(_fields(self._answer))

    async def read(self) -> bytes:
        if self._ended:
            return b""
        try:
            chunk = await anext(self._answer)
        except StopAsyncIteration:
            self._ended = True
            return self._writer.done
        except Exception as error:
            raise _engine_error(error) from error
        fields = _fields(chunk)
        if fields.get("type") in ENDS or any(choice.get("finish_reason") for choice in fields.get("choices", ())):
            self._check_end()
        return self._writer.event(fields)

    def _check_end(self) -> None:
        """LiteLLM ends the answer itself where a provider's stream just stops. Raises EngineGarbled."""
        chunks = getattr(_chat_of(self._answer), "chunks", None)
        if chunks is not None and not any(choice.finish_reason for chunk in chunks for choice in chunk.choices):
            raise EngineGarbled("the provider's stream ended before its answer did")

    async def close(self, *, finished: bool = False) -> None:
        """Not every provider's stream can be closed (Claude's cannot): one that nobody holds ends its connection."""
        answer, self._answer = self._answer, None
        closing = getattr(_chat_of(answer), "aclose", None)
        if closing is not None:
            await closing()


class TranslatedMessages(TranslatedUpstream):
    """LiteLLM's answer in Anthropic's dialect: an object, or events that it has written already."""

    async def body(self) -> bytes:
        return _encode({name: value for name, value in self._answer.items() if not name.startswith("_")})

    async def read(self) -> bytes:
        try:
            event = await anext(self._answer)
        except StopAsyncIteration:
            return b""
        except Exception as error:
            raise _engine_error(error) from error
        if isinstance(event, dict):
            event = b"event: %s\ndata: %s\n\n" % (str(event.get("type")).encode(), _encode(event))
        data = event if isinstance(event, bytes) else str(event).encode()
        if data.startswith(b"event: message_delta"):
            self._check_end()
        return data


def _chat_of(answer: Any) -> Any:
    """The chat's stream that a stream of responses or of completions is made from, and which has an end."""
    if isinstance(answer, TextCompletionStreamWrapper):
        return answer.completion_stream
    return getattr(answer, "litellm_custom_stream_wrapper", answer)


def _fields(answer: Any) -> dict[str, Any]:
    fields: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True, warnings=False)
    return fields


# Of a usage object's members, and of those within them, what OpenAI publishes.
_USAGE = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
    "prompt_tokens_details": frozenset({"cached_tokens", "audio_tokens", "cache_write_tokens"}),
    "completion_tokens_details": frozenset(
        {"reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"}
    ),
}


def _as_openai(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what LiteLLM adds: its own counts and costs, and an empty choice beside a stream's final count.

    With what it leaves out where it is empty.
    """
    if usage := fields.get("usage"):
        fields["usage"] = _usage(usage)
    elif meta := fields.get("meta"):  # Cohere's count of a reranking
        units, tokens = meta.get("billed_units") or {}, meta.get("tokens") or {}
        if total := units.get("total_tokens") or tokens.get("input_tokens"):
            fields["usage"] = {"total_tokens": total}
    if "choices" not in fields:
        return fields
    if usage:
        fields["choices"] = [
            one for one in fields["choices"] if one.keys() & {"message", "finish_reason"} or _says(one)
        ]
    for choice in fields["choices"]:
        choice.setdefault("finish_reason", None)
        if fields.get("object") == "text_completion":
            choice.setdefault("text", "")
        _clean(choice.get("delta") or choice.get("message") or {}, is_chunk="delta" in choice)
    return fields


def _says(choice: dict[str, Any]) -> bool:
    return bool(choice.get("delta") or choice.get("text"))


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    found = {name: usage[name] for name in _USAGE if name in usage}
    for name, known in _USAGE.items():
        if known and isinstance(found.get(name), dict):
            found[name] = {inner: value for inner, value in found[name].items() if inner in known}
    return found


def _clean(said: dict[str, Any], *, is_chunk: bool) -> None:
    said.pop("provider_specific_fields", None)
    for call in said.get("tool_calls") or ():
        call.pop("provider_specific_fields", None)
        if not is_chunk:
            call.pop("index", None)


async def _complete_text(*, prompt: Any, model: str, stream: bool = False, **params: Any) -> Any:
    """As LiteLLM's own does it, which keeps the chat's stream to itself, and with it whether the answer has ended."""
    if not stream or not isinstance(prompt, str):
        return await litellm.atext_completion(prompt=prompt, model=model, stream=stream, **params)
    asked = {name: value for name, value in params.items() if name not in _NOT_CHATS}
    messages = [{"role": "user", "content": prompt}]
    chat = await litellm.acompletion(messages=messages, model=model, stream=True, **asked)
    return TextCompletionStreamWrapper(chat, model, stream_options=params.get("stream_options"))


_CALLS = {
    "/chat/completions": litellm.acompletion,
    "/completions": _complete_text,
    "/embeddings": litellm.aembedding,
    "/messages": litellm.anthropic.messages.acreate,
    "/responses": litellm.aresponses,
    "/rerank": litellm.arerank,
}


async def open_translated(
    deployment: Deployment, path: str, payload: dict[str, Any], *, limits: TimeLimits = NO_LIMITS
) -> TranslatedUpstream:
    """Calls the provider through LiteLLM. `payload` is the checked request, as the path has it. Raises EngineError."""
    if path == "/responses":
        payload = as_chat(payload, extensions=deployment.provider == "hosted_vllm")
    try:
        answer = await _CALLS[path](
            **_decode(_encode(payload)),  # a copy: another may be asked after this one, and LiteLLM writes into it
            model=f"{deployment.provider}/{deployment.upstream_model}",
            api_base=deployment.api_base or None,
            api_key=deployment.api_key.strip() or _no_key(deployment),
            timeout=httpx.Timeout(
                min(deployment.timeout, limits.total),
                connect=deployment.connect_timeout,
                read=min(deployment.stream_timeout, limits.between_tokens),
            ),
            max_retries=0,
            num_retries=0,
        )
    except Exception as error:
        raise _engine_error(error) from error
    if isinstance(answer, TextCompletionStreamWrapper):
        answer.stream_options = payload.get("stream_options")  # LiteLLM forgets them, and with them the final count
    if path == "/messages":
        return TranslatedMessages(answer, ChunkWriter())
    return TranslatedUpstream(answer, _WRITERS.get(path, ChunkWriter)())


def count_text(text: str) -> int:
    """Tokens by the tokeniser that LiteLLM carries: close, not exact, for other models. To be called in a thread."""
    return int(litellm.token_counter(model="", text=text))


def _no_key(deployment: Deployment) -> str | None:
    """Told None, LiteLLM would take the provider's key from our environment and send it to whatever api_base says."""
    return None if deployment.provider in _KEYLESS else "none"


def _is_too_deep(error: BaseException | None) -> bool:
    """What LiteLLM cannot walk through is the request's fault, and not the provider's."""
    return error is not None and (
        isinstance(error, RecursionError) or "maximum recursion depth" in str(error) or _is_too_deep(error.__cause__)
    )


def _engine_error(error: Exception) -> EngineError:
    """LiteLLM raises OpenAI's exception classes for every provider."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, litellm.Timeout):
        return EngineTimeout("the provider was silent for too long")
    if _is_too_deep(error):
        return EngineRefused(400, b"The request is nested too deeply for this provider.", None)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or isinstance(error, litellm.APIConnectionError):
        return EngineUnreachable(f"the provider could not be reached: {type(error).__name__}")
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    retry_after = headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.replace(".", "", 1).isdigit() else None
    return EngineRefused(status, str(getattr(error, "message", "")).encode(), seconds)
