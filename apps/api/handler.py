"""The ASGI handler of the /v1 plane: no thread, no session, no synchronous middleware between caller and engine."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, cast

from django.urls import Resolver404, get_resolver

from apps.api.errors import dialect_of
from apps.api.http import Request, Response
from apps.api.request_ids import request_id_of
from apps.common.asgi import WHEN_GONE
from apps.common.logs import context

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
CUT_SHORT = (408, 413, 429)  # the rest of the body is not waited for
logger = logging.getLogger(__name__)
MOST_HEADERS, LARGEST_HEADERS = 200, 32 * 1024  # together, in bytes


class BodyTooLargeError(Exception):
    """More came than is allowed; the rest was not read."""


class BodyTooSlowError(Exception):
    """It did not come in time."""


class CallerGoneError(Exception):
    """The caller hung up before its request was complete."""


class V1Handler:
    """Resolves, runs the view, sends. A caller who hangs up cancels the view, and with it the engine's work."""

    def __init__(self, urlconf: str, *, max_body_bytes: int, body_seconds: float) -> None:
        # The same few paths over and over: Django's resolver tries one pattern after the other for each.
        self._resolve = lru_cache(maxsize=512)(get_resolver(urlconf).resolve)
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        context.request_id.set(request_id)
        if scope["method"] == "POST" and self._takes_uploads(scope["path"]):
            response = await self._response(scope, b"", request_id, receive)
            if response.status in CUT_SHORT:
                response.headers["Connection"] = "close"
            await respond(response, request_id, send)
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            refusal = self._refusal_of_headers(scope)
            body = b"" if refusal else await self._body(receive, task)
        except CallerGoneError:
            return
        except BodyTooLargeError:
            refusal = 413, f"The body is larger than {self._max_body_bytes / 2**20:g} MB."
        except BodyTooSlowError:
            refusal = 408, f"The body did not come within {self._body_seconds:g} seconds."
        if refusal:
            error = dialect_of(scope["path"]).plain(*refusal, request_id, {"Connection": "close"})
            await respond(error, request_id, send)
            return
        gone = False

        def hang_up() -> None:
            nonlocal gone
            gone = True
            task.cancel()

        when_gone = scope[WHEN_GONE]
        when_gone.add(hang_up)
        try:
            response = await self._response(scope, body, request_id)
            await respond(response, request_id, send)
        except asyncio.CancelledError:
            if not gone:
                raise  # the server stops, not the caller
            task.uncancel()
        finally:
            when_gone.discard(hang_up)

    def _takes_uploads(self, path: str) -> bool:
        """Whether the view there reads the body itself, once it knows who sends it, and under a limit of its own."""
        with contextlib.suppress(Resolver404):
            return bool(getattr(getattr(self._resolve(path).func, "view_class", None), "takes_uploads", False))
        return False

    @staticmethod
    def _refusal_of_headers(scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum([len(name) + len(value) for name, value in headers]) > LARGEST_HEADERS:
            return 431, f"A request has at most {MOST_HEADERS} headers, of {LARGEST_HEADERS // 1024} kB together."
        return None

    async def _body(self, receive: Receive, task: "asyncio.Task[None]") -> bytes:
        """Under a time limit, by a timer that costs a fifth of asyncio.timeout: nearly every body is there already."""
        too_slow = False

        def give_up() -> None:
            nonlocal too_slow
            too_slow = True
            task.cancel()

        timer = asyncio.get_running_loop().call_later(self._body_seconds, give_up)
        try:
            return await read_body(receive, self._max_body_bytes)
        except asyncio.CancelledError:
            if not too_slow:
                raise
            task.uncancel()
            raise BodyTooSlowError from None
        finally:
            timer.cancel()

    async def _response(
        self, scope: MutableMapping[str, Any], body: bytes, request_id: str, receive: Receive | None = None
    ) -> Response:
        try:
            request = Request(scope, body, request_id, receive)
            match = self._resolve(request.path)
        except Resolver404:
            message = f"There is no {scope['path'][:100]!r} here; see /docs."
            return dialect_of(scope["path"]).plain(404, message, request_id)
        except Exception:
            logger.exception("%s could not be read", request_id)
            return dialect_of(scope["path"]).plain(400, "The request could not be read.", request_id)
        view = getattr(match.func, "view_class", None)
        run = match.func if view is None else view().dispatch
        response: Response = await run(request, *match.args, **match.kwargs)
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


async def respond(response: Response, request_id: str, send: Send) -> None:
    start = {"type": "http.response.start", "status": response.status, "headers": response.head(request_id)}
    stream = response.stream
    if stream is None:
        await send(start)
        await send({"type": "http.response.body", "body": response.body})
        return

    async def write(part: bytes, *, last: bool = False) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": not last})

    try:
        await send(start)
        await stream.pump(write)
    finally:
        await stream.abandon()  # a caller who is gone by now must be settled, too
