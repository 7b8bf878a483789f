"""Bytes through TLS, for what no client library would send."""

import contextlib
import http.client
import json
import socket
import ssl
from typing import Any

from deploy.edge.tests.edge import Edge


def connection(edge: Edge, *, address: str = "127.0.0.1", seconds: float = 10) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", edge.https_port), timeout=seconds, source_address=(address, 0))
    return edge.context().wrap_socket(plain, server_hostname="localhost")


def exchange(edge: Edge, request: bytes, *, address: str = "127.0.0.1") -> tuple[int, bytes]:
    """Sends the bytes and reads one answer: its status and body; 0 where the connection was closed without one."""
    with connection(edge, address=address) as opened:
        with contextlib.suppress(OSError):
            opened.sendall(request)
        response = http.client.HTTPResponse(opened)
        try:
            response.begin()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


def error_of(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)["error"]
    return found


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")
