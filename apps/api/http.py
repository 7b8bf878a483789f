"""A request and an answer of the /v1 plane: what Django's own do there, for a tenth of their CPU."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apps.common.addresses import caller_address
from apps.gateway.contracts import EventStream

JSON = "application/json"
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
encode = msgspec.json.Encoder().encode


async def _read_already() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


class Request:
    """One request, read whole. Headers by their lower-case name; one that came twice is joined by commas.

    `receive`: of an upload, which its view reads itself.
    """

    __slots__ = ("_headers", "body", "method", "path", "receive", "request_id", "scope")

    def __init__(
        self, scope: MutableMapping[str, Any], body: bytes, request_id: str, receive: Receive | None = None
    ) -> None:
        self.scope = scope
        self.receive = receive or _read_already
        self.body = body
        self.request_id = request_id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            known = self._headers.get(name)
            self._headers[name] = value if known is None else known + b"," + value

    def header(self, name: bytes) -> str:
        """Empty where there is none."""
        return self._headers.get(name, b"").decode("latin-1")

    @property
    def peer(self) -> str:
        """The address at the other end of the connection, which may be a proxy's."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def caller(self) -> str:
        """The caller's own address."""
        return caller_address(self.peer, self.header(b"x-forwarded-for"))

    @property
    def query(self) -> str:
        text: bytes = self.scope.get("query_string", b"")
        return text.decode("latin-1")

    @property
    def content_type(self) -> str:
        return self.header(b"content-type").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Response:
    """A whole answer (`body`) or server-sent events that write themselves (`stream`)."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    stream: EventStream | None = None

    def head(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI wants them."""
        made = [(b"content-type", self.content_type.encode("latin-1"))]
        made += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        made.append((b"x-request-id", request_id.encode()))
        if self.stream is None:
            made.append((b"content-length", b"%d" % len(self.body)))
        return made


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, encode(value), headers=dict(headers or {}))


def event_stream(stream: EventStream, headers: Mapping[str, str]) -> Response:
    fixed = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return Response(content_type="text/event-stream; charset=utf-8", headers={**headers, **fixed}, stream=stream)
