"""What the fake engine says, and how it counts: numbered words that no reader can mistake for a model's."""

import re
from functools import lru_cache
from typing import Any

TOKENS_PER_MESSAGE = 3
"""For the role and the marks around a message, as chat templates add."""

_LAST_NUMBER = re.compile(r"fake engine token (\d+)$")
_TOKEN = re.compile(r"\S+")


@lru_cache(maxsize=4096)
def numbered_tokens(count: int, first: int = 1) -> tuple[str, ...]:
    """`fake engine token 1`, ` fake engine token 2`, …: each string is one token."""
    return tuple(f"{' ' if number > 1 else ''}fake engine token {number}" for number in range(first, first + count))


def next_number(prefix: str) -> int:
    """Where an answer that was begun elsewhere goes on: 1 where `prefix` is none of ours."""
    found = _LAST_NUMBER.search(prefix)
    return int(found.group(1)) + 1 if found else 1


def count_prefix(prefix: str) -> int:
    """Tokens of an answer that was begun elsewhere, as many as it was made of where it is ours."""
    return next_number(prefix) - 1 or count_tokens(prefix)


def count_tokens(text: str) -> int:
    """One per word."""
    return len(text.split())


def tokenize(text: str) -> list[int]:
    """Stable ids, one per word."""
    return [sum(word.encode()) % 50_000 for word in _TOKEN.findall(text)]


def content_text(content: Any) -> str:
    """The text of a message's content, given as a string or as parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, dict) and "text" in part)
    return ""


def count_messages(messages: list[Any]) -> int:
    return sum(count_tokens(content_text(one.get("content"))) + TOKENS_PER_MESSAGE for one in messages)


def last_user_message(fields: dict[str, Any]) -> str:
    """What scripts are matched with: the last user message, or the prompt, or the input."""
    given = fields.get("messages") or fields.get("input")
    for message in reversed(given if isinstance(given, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            return content_text(message.get("content"))
    other = fields.get("prompt") or fields.get("input") or fields.get("query") or ""
    return other if isinstance(other, str) else " ".join(map(str, other))
