"""HTTP/1.1 as bytes on a socket, for what no client library would send."""

import contextlib
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WireAnswer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


def exchange(port: int, request: bytes, *, seconds: float = 10) -> WireAnswer:
    """Sends the bytes and reads one answer. The server may answer, and close, before it has read everything."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return WireAnswer(response.status, response.headers, response.read())


def request_bytes(
    path: str, body: bytes = b"", *, method: str = "POST", headers: tuple[tuple[str, str | bytes], ...] = ()
) -> bytes:
    """A request with a Content-Length, unless the headers say that it is chunked."""
    given = [("Host", "localhost"), ("Connection", "close"), *headers]
    if not any(name.lower() == "transfer-encoding" for name, _ in given):
        given.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1".encode()]
    lines += [name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in given]
    return b"\r\n".join([*lines, b"", body])
