"""From the dialect that a call spoke to parts that people read: who said what, in which order."""

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from apps.prompts.contracts import Conversation, Heard, Kind, Part
from apps.prompts.streams import joined

MOST_BYTES = 32 * 1024 * 1024  # of an answer, inflated
Object = dict[str, Any]
_decode = msgspec.json.Decoder(Object).decode
_encode = msgspec.json.Encoder().encode
_TEXTS: dict[str, Kind] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thought",
    "reasoning_text": "thought",
    "summary_text": "thought",
}


def conversation_of(heard: Heard) -> Conversation:
    """Whatever an engine sent: of an answer that has not the form of one, what stands before that is kept."""
    answered: list[Part] = []
    with contextlib.suppress(Exception):
        for part in _answered(heard):
            answered.append(part)
    return Conversation(list(_asked(heard.endpoint, heard.asked)), answered)


def _asked(endpoint: str, payload: Object) -> Iterator[Part]:
    if endpoint == "completions":
        prompt: Any = payload.get("prompt")
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            prompt = [prompt]
        for text in prompt if isinstance(prompt, list) else [prompt]:
            yield Part("user", "text", text) if isinstance(text, str) else Part("user", "other", f"{len(text)} tokens")
        return
    yield from _content("system", payload.get("system") or payload.get("instructions"))
    if endpoint == "responses":
        yield from _items(payload.get("input"))
    else:
        for message in payload.get("messages") or ():
            yield from _message(message)


def _answered(heard: Heard) -> Iterator[Part]:
    data = zlib.decompressobj().decompress(heard.answered, MOST_BYTES)
    answer = _decode(data) if heard.is_whole else joined(heard.endpoint, data)
    for choice in answer.get("choices") or ():
        if "text" in choice:
            yield Part("assistant", "text", choice["text"])
        else:
            yield from _message({"role": "assistant", **choice["message"]})
    yield from _content("assistant", answer.get("content"))
    yield from _items(answer.get("output"))


def _message(message: Object) -> Iterator[Part]:
    role = message["role"]
    if role in ("tool", "function"):
        yield Part(role, "result", _plain(message.get("content")))
        return
    if thought := message.get("reasoning_content") or message.get("reasoning"):
        yield Part(role, "thought", _plain(thought))
    yield from _content(role, message.get("content"))
    if message.get("refusal"):
        yield Part(role, "refusal", message["refusal"])
    called = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    for function in (*called, message.get("function_call")):
        if function:
            yield Part(role, "call", _plain(function.get("arguments")), str(function.get("name")))


def _items(items: str | list[Object] | None) -> Iterator[Part]:
    """Of a response: what came in, or what went out."""
    if isinstance(items, str):
        yield Part("user", "text", items)
        return
    for item in items or ():
        kind = item.get("type", "message")
        if kind == "message":
            yield from _content(item.get("role", "assistant"), item.get("content"))
        elif kind == "function_call":
            yield Part("assistant", "call", _plain(item.get("arguments")), str(item.get("name")))
        elif kind == "function_call_output":
            yield Part("tool", "result", _plain(item.get("output")))
        elif kind == "reasoning":
            yield from _content("assistant", [*(item.get("summary") or ()), *(item.get("content") or ())])
        else:
            yield Part("assistant", "other", kind)


def _content(role: str, content: str | Iterable[Object] | None) -> Iterator[Part]:
    if isinstance(content, str):
        yield Part(role, "text", content)
        return
    for block in content or ():
        kind = str(block.get("type"))
        if kind in _TEXTS:
            yield Part(
                role, _TEXTS[kind], str(block.get("text") or block.get("thinking") or block.get("refusal") or "")
            )
        elif kind == "tool_use":
            yield Part(role, "call", _plain(block.get("input")), str(block.get("name")))
        elif kind == "tool_result":
            yield Part("tool", "result", _plain(block.get("content")))
        else:  # images, for the most part: that there was one, not what was on it
            yield Part(role, "other", kind)


def _plain(value: Any) -> str:
    """A text, the texts of blocks, or whatever else as JSON."""
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, list) and all(isinstance(block, dict) for block in value):
        return "\n".join(str(block.get("text", f"[{block.get('type')}]")) for block in value)
    return _encode(value).decode()
