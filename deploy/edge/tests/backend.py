"""A plane of bytes and sockets, for tests that must see what nginx lets through, and when."""

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Self
from urllib.parse import quote

AUTHORIZE = "/internal/authorize"


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def header(self, name: str) -> str:
        """Joined by commas where it came more than once; empty where it did not."""
        return ",".join(value for known, value in self.headers if known.lower() == name.lower())

    def json(self) -> bytes:
        told = {"method": self.method, "target": self.target, "headers": self.headers, "body": self.body.decode()}
        return json.dumps(told).encode()


Answer = Callable[[Seen, BinaryIO], None]


def whole(body: bytes, *, status: str = "200 OK", headers: dict[str, str] | None = None) -> bytes:
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(body: bytes = b"", *, status: str = "200 OK", headers: dict[str, str] | None = None) -> Answer:
    """Always the same."""

    def answer(seen: Seen, out: BinaryIO) -> None:
        out.write(whole(body, status=status, headers=headers))

    return answer


def hanging_up(seen: Seen, out: BinaryIO) -> None:
    raise ConnectionError


def echo(seen: Seen, out: BinaryIO) -> None:
    out.write(whole(seen.json()))


def verdict(seen: Seen, out: BinaryIO) -> None:
    """As the gateway's: keys that begin with `good` are good."""
    if seen.header("authorization").startswith("Bearer good") or seen.header("x-api-key").startswith("good"):
        out.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return
    headers = {"x-artemis-error-code": "invalid_api_key", "x-artemis-error-message": quote("No such key…")}
    out.write(whole(b"{}", status="401 Unauthorized", headers=headers))


class Backend:
    """`with Backend() as backend: …; backend.seen`. `answer` and `authorize` may be changed while it runs."""

    def __init__(
        self, answer: Answer = echo, authorize: Answer = verdict, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.answer = answer
        self.authorize = authorize
        self.everything: list[Seen] = []
        self.port, self.host = port, host

    @property
    def seen(self) -> list[Seen]:
        """Without what was asked about keys."""
        return [one for one in self.everything if one.target != AUTHORIZE]

    @property
    def asked(self) -> list[Seen]:
        """What was asked about keys."""
        return [one for one in self.everything if one.target == AUTHORIZE]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def reset(self) -> None:
        self.answer, self.authorize = echo, verdict
        self.everything.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        backend = self

        class Handler(socketserver.StreamRequestHandler):
            wbufsize = 0

            def setup(self) -> None:
                super().setup()
                backend._open.add(self.request)

            def handle(self) -> None:
                try:
                    for seen in requests(self.rfile):
                        backend.everything.append(seen)
                        answer = backend.authorize if seen.target == AUTHORIZE else backend.answer
                        answer(seen, self.wfile)
                except OSError:
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 512
            block_on_close = False

        self._open: set[Any] = set()
        self._server = Server((self.host, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self) -> None:
        """Nobody listens any more, and open connections are cut."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def requests(stream: Any) -> Iterator[Seen]:
    """What comes on a connection, one request after the other; strictly, as HTTP is written."""
    while (line := stream.readline(65537)).strip():
        head = [line]
        while (line := stream.readline(65537)) not in (b"\r\n", b""):
            head.append(line)
        method, target, _ = head[0].decode("latin-1").split(" ", 2)
        headers = []
        for line in head[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        known = {name.lower(): value for name, value in headers}
        if known.get("transfer-encoding", "").lower() == "chunked":
            body = chunked(stream)
        else:
            body = stream.read(int(known.get("content-length", "0")))
        yield Seen(method, target, headers, body, b"".join(head))


def chunked(stream: Any) -> bytes:
    body = b""
    while size := int(stream.readline().strip() or b"0", 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body
