"""The ASGI handler of the /v1 plane: no thread, no session, no synchronous middleware between caller and engine."""

import asyncio
import io
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponseBase
from django.urls import Resolver404, URLResolver, get_resolver

from apps.api.errors import plain_error
from apps.gateway.contracts import EventStream

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
logger = logging.getLogger(__name__)


class EventStreamResponse(HttpResponseBase):
    """A stream that writes itself: no iterator stands between engine and socket."""

    streaming = True

    def __init__(self, stream: EventStream, headers: Mapping[str, str]) -> None:
        fixed = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(content_type="text/event-stream; charset=utf-8", headers={**headers, **fixed})
        self.stream = stream


class BodyTooLargeError(Exception):
    """More came than is allowed; the rest was not read."""


class CallerGoneError(Exception):
    """The caller hung up before its request was complete."""


class V1Handler:
    """Resolves, runs the view, sends. A caller who hangs up cancels the view, and with it the engine's work."""

    def __init__(self, urlconf: str, *, max_body_bytes: int) -> None:
        self._resolver: URLResolver = get_resolver(urlconf)
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request_id = f"req_{secrets.token_hex(12)}"
        try:
            body = await read_body(receive, self._max_body_bytes)
        except CallerGoneError:
            return
        except BodyTooLargeError:
            megabytes = self._max_body_bytes / 2**20
            error = plain_error(413, f"The body is larger than {megabytes:g} MB.", request_id, {"Connection": "close"})
            await respond(error, request_id, send)
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        watcher = asyncio.create_task(_cancel_when_gone(receive, task))
        try:
            response = await self._response(scope, body, request_id)
            await respond(response, request_id, send)
        except asyncio.CancelledError:
            if not (watcher.done() and not watcher.cancelled()):
                raise  # the server stops, not the caller
            task.uncancel()
        finally:
            watcher.cancel()

    async def _response(self, scope: MutableMapping[str, Any], body: bytes, request_id: str) -> HttpResponseBase:
        try:
            request = ASGIRequest(scope, io.BytesIO(body))
            request.request_id = request_id  # type: ignore[attr-defined]
            match = self._resolver.resolve(scope["path"])
        except Resolver404:
            return plain_error(404, f"There is no {scope['path'][:100]!r} here; see /docs.", request_id)
        except Exception:
            logger.exception("%s could not be read", request_id)
            return plain_error(400, "The request could not be read.", request_id)
        response: HttpResponseBase = await match.func(request, *match.args, **match.kwargs)
        return response


async def read_body(receive: Receive, limit: int) -> bytes:
    """Raises BodyTooLargeError as soon as more than `limit` bytes came, whatever the headers said."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallerGoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise BodyTooLargeError
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise BodyTooLargeError
    return b"".join(parts)


async def _cancel_when_gone(receive: Receive, task: "asyncio.Task[None]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


async def respond(response: HttpResponseBase, request_id: str, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"x-request-id", request_id.encode()))
    if isinstance(response, EventStreamResponse):
        try:
            await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
            await response.stream.pump(
                lambda part: send({"type": "http.response.body", "body": part, "more_body": True})
            )
        finally:
            await response.stream.abandon()  # a caller who is gone by now must be settled, too
        await send({"type": "http.response.body", "body": b""})
        return
    body: bytes = response.content  # type: ignore[attr-defined]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
