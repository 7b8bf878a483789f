"""Bounds what is sent to the portal: Django writes a body to disk, whole, before any view sees it.

What is larger is read no further than a caller needs who reads the answer only once all is sent, as browsers do; it is
kept nowhere. Django answers in its stead as if the body were empty, so that the answer has every header of a page's.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from apps.api.errors import OPENAI
from apps.portal.views.errors import too_large

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
UPLOADS = frozenset({"portal:upload_files"})
LIMIT_PASSED = "artemis.limit_passed"  # in a scope: the limit, in bytes
LINGER_SECONDS = 5.0
EMPTY: Message = {"type": "http.request", "body": b"", "more_body": False}


class BoundedBodies:
    """Around the portal's ASGI application."""

    def __init__(self, portal: App) -> None:
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        if declared or b"transfer-encoding" in headers:
            body = Body(scope, receive, limit=limit_of(scope["path"]))
            if declared.isdigit() and int(declared) > body.limit:
                await body.pass_over()
            receive = body.receive
        await self._portal(scope, receive, send)


class Body:
    """A body that is read as far as its limit."""

    def __init__(self, scope: Scope, receive: Receive, *, limit: int) -> None:
        self.limit = limit
        self._scope = scope
        self._receive = receive
        self._size = 0
        self._is_over = False
        self._has_told = False

    async def receive(self) -> Message:
        if not self._is_over:
            message = await self._receive()
            self._size += len(message.get("body", b""))
            if self._size <= self.limit:
                return message
            await self.pass_over(more=message.get("more_body", False))
        if not self._has_told:
            self._has_told = True
            return EMPTY
        while (message := await self._receive())["type"] == "http.request":
            pass
        return message

    async def pass_over(self, *, more: bool = True) -> None:
        """Reads the rest for a while."""
        self._is_over = True
        self._scope[LIMIT_PASSED] = self.limit
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while more:
                    more = (await self._receive()).get("more_body", False)
        except TimeoutError:
            return


class RefusesLargeBodies:
    """The middleware that answers, in the form of the plane's page or of its API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        limit = getattr(request, "scope", {}).get(LIMIT_PASSED)
        if limit is None:
            return self.get_response(request)
        if request.path.startswith("/api/"):
            error = OPENAI.plain(413, f"The body is larger than {limit / 2**20:g} MB.", "")
            response = HttpResponse(error.body, status=error.status, content_type=error.content_type)
        else:
            response = too_large(request, limit=limit)
        response["Connection"] = "close"
        return response


def limit_of(path: str) -> int:
    """Bytes."""
    try:
        is_upload = resolve(path).view_name in UPLOADS
    except Resolver404:
        is_upload = False
    limit: int = settings.PORTAL_MAX_UPLOAD_BYTES if is_upload else settings.PORTAL_MAX_BODY_BYTES
    return limit
