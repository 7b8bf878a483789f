"""Joins the events of a stream into the answer that it would have been whole; of one that broke off, what came."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

Object = dict[str, Any]
_decode = msgspec.json.Decoder(Object).decode


def joined(endpoint: str, data: bytes) -> Object:
    return _JOINERS[endpoint](_events(data))


def _events(data: bytes) -> Iterator[Object]:
    for line in data.split(b"\n"):
        if line.startswith(b"data:") and line != b"data: [DONE]":
            try:
                yield _decode(line[5:])
            except msgspec.DecodeError:  # the last one of what was cut
                return


def _of_chunks(events: Iterator[Object]) -> Object:
    """Chat completions and completions."""
    choices: dict[int, Object] = {}
    for event in events:
        for choice in event.get("choices") or ():
            index = choice.get("index", 0)
            if choice.get("text") is not None:
                one = choices.setdefault(index, {"text": ""})
                one["text"] += choice["text"]
            elif delta := choice.get("delta"):
                one = choices.setdefault(index, {"message": {"content": "", "reasoning_content": "", "calls": {}}})
                _add_delta(one["message"], delta)
    for one in choices.values():
        if "message" in one:
            one["message"]["tool_calls"] = [{"function": call} for call in one["message"].pop("calls").values()]
    return {"choices": [_without_nothing(one) for _, one in sorted(choices.items())]}


def _add_delta(message: Object, delta: Object) -> None:
    message["content"] += delta.get("content") or ""
    message["reasoning_content"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
    if delta.get("refusal"):
        message["refusal"] = message.get("refusal", "") + delta["refusal"]
    calls = [(call.get("index", 0), call.get("function") or {}) for call in delta.get("tool_calls") or ()]
    if delta.get("function_call"):
        calls.append((0, delta["function_call"]))
    for index, function in calls:
        known = message["calls"].setdefault(index, {"name": "", "arguments": ""})
        known["name"] = function.get("name") or known["name"]
        known["arguments"] += function.get("arguments") or ""


def _without_nothing(choice: Object) -> Object:
    if "message" in choice:
        choice["message"] = {name: value for name, value in choice["message"].items() if value}
    return choice


def _of_message(events: Iterator[Object]) -> Object:
    """Anthropic's, https://docs.anthropic.com/en/docs/build-with-claude/streaming"""
    blocks: dict[int, Object] = {}
    for event in events:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "content_block_start":
            blocks[index] = {**event["content_block"]}
        elif kind == "content_block_delta" and index in blocks:
            delta, block = event["delta"], blocks[index]
            for given, field in (("text", "text"), ("thinking", "thinking"), ("partial_json", "input")):
                if given in delta:
                    block[field] = (block.get(field) or "") + delta[given]  # an input begins as {}
    return {"content": [block for _, block in sorted(blocks.items())]}


def _of_response(events: Iterator[Object]) -> Object:
    """OpenAI's responses: an item is whole with its `done`; before, it is what its deltas have said."""
    items: dict[int, Object] = {}
    for event in events:
        kind, index = str(event.get("type")), event.get("output_index", 0)
        if kind in ("response.output_item.added", "response.output_item.done"):
            items[index] = {**event["item"]}
        elif kind.endswith(".delta") and isinstance(event.get("delta"), str) and index in items:
            item = items[index]
            if item.get("type") == "function_call":
                item["arguments"] = (item.get("arguments") or "") + event["delta"]
            else:
                texts, said = item.get("content") or [], _TEXT_OF.get(kind, "output_text")
                if not texts or texts[-1].get("type") != said:
                    texts.append({"type": said, "text": ""})
                texts[-1]["text"] += event["delta"]
                item["content"] = texts
    return {"output": [item for _, item in sorted(items.items())]}


_TEXT_OF = {
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning_summary_text.delta": "summary_text",
}
_JOINERS: dict[str, Callable[[Iterator[Object]], Object]] = {
    "chat.completions": _of_chunks,
    "completions": _of_chunks,
    "messages": _of_message,
    "responses": _of_response,
}
