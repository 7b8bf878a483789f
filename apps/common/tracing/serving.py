"""The server's span of a request, from whatever trace its `traceparent` names on. Imported only where tracing is on."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.urls import Resolver404, get_resolver
from opentelemetry.trace import SpanKind

from apps.common.logs.context import request_id
from apps.common.tracing.spans import at_work, fail, parent_of, start

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
W3C = frozenset({b"traceparent", b"tracestate"})
PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/internal/authorize"})


async def served(app: App, scope: Message, receive: Receive, send: Send, *, lean: bool) -> None:
    """Runs the application for one request, within a span of it."""
    if scope["path"] in PROBES:
        await app(scope, receive, send)
        return
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in W3C}
    method, route = scope["method"], _route(scope["path"], settings.V1_URLCONF if lean else settings.ROOT_URLCONF)
    attributes = {"http__request__method": method, "http__route": route}
    span = start(f"{method} {route}".strip(), SpanKind.SERVER, parent=parent_of(headers), **attributes)

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                fail(span, str(status))
        await send(message)

    with at_work(span):
        await app(scope, receive, told)
        span.set_attribute("artemis.request.id", request_id.get())


@lru_cache(maxsize=2048)
def _route(path: str, urlconf: str) -> str:
    """As it is declared, without anybody's ids; empty for what does not exist."""
    try:
        return f"/{get_resolver(urlconf).resolve(path).route}"
    except Resolver404:
        return ""
