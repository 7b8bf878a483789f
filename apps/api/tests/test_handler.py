"""What the ASGI handler answers where a request does not come as a whole, or in time."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.api.handler import Message, V1Handler

PART: Message = {"type": "http.request", "body": b"{", "more_body": True}
GONE: Message = {"type": "http.disconnect"}


async def answer(*messages: Message, path: str = "/v1/chat/completions") -> list[Message]:
    """What is sent to a caller who sends these messages, and then nothing."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    handler = V1Handler("apps.api.urls", max_body_bytes=1000, body_seconds=0.05)
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "headers": [], "client": ("127.0.0.1", 1)}
    await handler(scope, receive, send)
    return sent


def openai(body: dict[str, Any]) -> Any:
    return body["error"]["code"]


def anthropic(body: dict[str, Any]) -> Any:
    assert body["type"] == "error"
    return body["error"]["details"]["error_code"]


@pytest.mark.parametrize(("path", "code"), [("/v1/chat/completions", openai), ("/v1/messages", anthropic)])
@pytest.mark.parametrize("messages", [(), (PART,), (PART, PART)])
async def test_a_body_that_does_not_come_is_not_waited_for(
    messages: tuple[Message, ...], path: str, code: Callable[[dict[str, Any]], Any]
) -> None:
    start, body = await answer(*messages, path=path)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert code(json.loads(body["body"])) == "request_timeout"


async def test_a_caller_who_is_gone_gets_nothing() -> None:
    assert await answer(GONE) == await answer(PART, GONE) == []
