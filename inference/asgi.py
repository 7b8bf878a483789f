"""The little of HTTP that our own raw ASGI servers (embeddings engine, fake engine) have in common."""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON_TYPE: Header = (b"content-type", b"application/json")
TEXT_TYPE: Header = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
EVENTS_TYPE: Header = (b"content-type", b"text/event-stream; charset=utf-8")


class DisconnectedError(Exception):
    """The caller hung up."""


class BodyTooLargeError(Exception):
    """The request's body passed the limit; the rest of it was not read."""


async def read_body(receive: Receive, *, limit: int) -> bytes:
    """The whole request body, of at most `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def wait_for_disconnect(receive: Receive) -> None:
    """Returns when the caller has hung up; use beside the work, after the body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(send: Send, status: int, body: bytes, *, headers: Iterable[Header] = (JSON_TYPE,)) -> None:
    """Send a whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, payload: Any, *, headers: Iterable[Header] = ()) -> None:
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    await respond(send, status, body, headers=[JSON_TYPE, *headers])


async def accept_lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's start-up and shutdown messages."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a request header; `name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def error_envelope(
    message: str, *, kind: str, param: str | None = None, code: str | int | None = None
) -> dict[str, Any]:
    """OpenAI's shape of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
