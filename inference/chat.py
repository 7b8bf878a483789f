"""A request of another dialect as the chat that it is, for a deployment that goes on with its answer.

Without what was thought, and without the wish to think: an answer that has begun to speak goes on speaking.
"""

from typing import Any

import msgspec
from litellm.llms.anthropic.pass_through.adapters.transformation import LiteLLMAnthropicMessagesAdapter
from litellm.responses.litellm_completion_transformation.transformation import LiteLLMCompletionResponsesConfig

from inference.errors import EngineRefused
from inference.responses_writer import as_chat

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_NOT_MESSAGES = frozenset({"thinking", "cache_control"})
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def chat_of(endpoint: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a chat that asks the same as that of `messages` or `responses`. Raises EngineRefused."""
    own = _decode(_encode(payload))  # LiteLLM writes into what it is given
    try:
        return _of_messages(own) if endpoint == "messages" else _of_response(own)
    except Exception as error:  # whatever LiteLLM raises
        raise EngineRefused(400, b"The request has no form as a chat.", None) from error


def _of_messages(payload: dict[str, Any]) -> dict[str, Any]:
    asked = {name: value for name, value in payload.items() if name not in _NOT_MESSAGES}
    for message in asked["messages"]:
        if not isinstance(message["content"], str):
            message["content"] = [block for block in message["content"] if block["type"] not in _THOUGHTS]
    choice = asked.get("tool_choice") or {}
    translated, shortened = LiteLLMAnthropicMessagesAdapter().translate_anthropic_to_openai({"model": "", **asked})
    chat = dict(translated)
    del chat["model"]
    if choice.get("disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False
    for message in chat["messages"]:
        message.pop("thinking_blocks", None)
    if not shortened:
        return chat
    body = _encode(chat)  # OpenAI allows shorter names of tools than those who will be asked
    for short, name in shortened.items():
        body = body.replace(_encode(short), _encode(name))
    return _decode(body)


def _of_response(payload: dict[str, Any]) -> dict[str, Any]:
    asked = as_chat(payload, extensions=True)
    items = asked["input"]
    if not isinstance(items, str):
        items = [item for item in items if item["type"] != "reasoning"]
    known = {name: value for name, value in asked.items() if name != "reasoning"}
    chat = LiteLLMCompletionResponsesConfig.transform_responses_api_request_to_chat_completion_request("", items, known)
    del chat["model"]
    return {**chat, **asked["extra_body"]}
