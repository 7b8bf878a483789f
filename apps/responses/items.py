"""Items as OpenAI keeps them: each with an id, a status, and its content in parts."""

import secrets
from typing import Any

from apps.responses.contracts import Item

SEARCHED = "file_search_call"
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs", SEARCHED: "fs"}


def as_items(given: str | list[Item]) -> list[Item]:
    """What was asked, as items; a text is a message of the user's."""
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    return [completed(item) for item in given]


def conversation(past: list[Item], items: list[Item]) -> list[Item]:
    """What an engine is told. What was thought before the last question is left out, as OpenAI does; what was thought
    since then belongs to the calls of functions that are being answered. Searches are ours: no engine knows them."""
    told = [*past, *items]
    asked = max((place for place, item in enumerate(told) if item.get("role") == "user"), default=-1)
    return [
        item
        for place, item in enumerate(told)
        if item["type"] != SEARCHED and (item["type"] != "reasoning" or place > asked)
    ]


def completed(item: Item) -> Item:
    """An engine's item may be of any kind: what is not known of it stays as it is."""
    kind = item["type"]
    item = {**item, "id": item.get("id") or f"{_PREFIXES.get(kind, 'item')}_{secrets.token_hex(20)}"}
    if kind != "reasoning":
        item["status"] = item.get("status") or "completed"
    if kind == "message":
        item["content"] = [_part(part) for part in _parts(item)]
    return item


def _parts(message: Item) -> list[Any]:
    content = message.get("content") or []
    if not isinstance(content, str):
        return list(content)
    return [{"type": "output_text" if message["role"] == "assistant" else "input_text", "text": content}]


def _part(part: Any) -> Any:
    match part:
        case {"type": "output_text"}:
            return {**part, "annotations": part.get("annotations") or []}
        case {"type": "input_image"}:
            return {**part, "detail": part.get("detail") or "auto"}
        case _:
            return part
