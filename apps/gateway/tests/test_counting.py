"""An estimate of a prompt's tokens reads what a model reads, whatever its form."""

from typing import Any

import pytest

from apps.gateway.counting import IMAGE_TOKENS, TURN_TOKENS, estimate_prompt

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}}
WORDS = "one two three four five six seven eight nine ten"


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def tokens(*content: Any, **fields: Any) -> int:
    """Of one turn, without what a template adds to it."""
    turn = {"role": "user", "content": content[0] if len(content) == 1 else list(content)}
    return estimate_prompt({"messages": [turn], **fields}) - TURN_TOKENS


def test_texts_are_counted_wherever_they_stand() -> None:
    assert tokens(WORDS) == 10
    assert (
        tokens({"type": "text", "text": WORDS}, {"type": "thinking", "thinking": WORDS, "signature": "x" * 999}) == 21
    )
    result = {"type": "tool_result", "tool_use_id": "", "content": [{"type": "text", "text": WORDS}]}
    assert tokens(result, {"type": "text", "text": WORDS}) >= 20
    assert tokens("", system=WORDS) in (10, 11)
    assert tokens("", system=[{"type": "text", "text": WORDS, "cache_control": {"type": "ephemeral"}}]) in (10, 11)
    assert tokens("", tools=[{"name": "a", "input_schema": {"properties": {WORDS: {}}}}]) > 10


def test_an_image_is_not_its_letters() -> None:
    result = {"type": "tool_result", "tool_use_id": "", "content": [IMAGE, {"type": "text", "text": WORDS}]}
    assert tokens(IMAGE, {"type": "text", "text": WORDS}) == IMAGE_TOKENS + 10
    assert IMAGE_TOKENS + 10 <= tokens(result, IMAGE) - IMAGE_TOKENS < IMAGE_TOKENS + 20


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "a", "input_schema": nested(400), "input_examples": [nested(400)]}]},
        {"system": [{"type": "text", "text": "x", "citations": [nested(5000)]}]},
    ],
)
def test_deep_values_are_no_trap(fields: dict[str, Any]) -> None:
    assert tokens("x", **fields) < 5000
