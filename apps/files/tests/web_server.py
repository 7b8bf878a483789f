"""A web of our own: real servers on this machine that answer as they are told, and count who came."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Site:
    """`pages`: what is sent for a path, head and all; or a function that sends it piece by piece."""

    host: str
    port: int
    pages: dict[str, bytes | Callable[[socket.socket], None]] = field(default_factory=dict)
    got: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    def answer(self, caller: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = caller.recv(65_536)
            if not part:
                return
            head += part
        first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path = first.split()[1]
        self.got.append((path, headers))
        page = self.pages.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        try:
            caller.sendall(page) if isinstance(page, bytes) else page(caller)
        except OSError:
            return  # the caller has had enough


def page(body: bytes, *, kind: str = "text/html", **headers: str) -> bytes:
    """A whole answer; it says nothing of its type where that is empty."""
    given = {"Content-Length": str(len(body)), **({"Content-Type": kind} if kind else {})}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def endless(piece: bytes, *, head: bytes, pause: float = 0) -> Callable[[socket.socket], None]:
    def send(caller: socket.socket) -> None:
        caller.sendall(head)
        while True:
            caller.sendall(piece)
            time.sleep(pause)

    return send


@contextmanager
def site(host: str = "127.0.0.1", port: int = 0, *, secure: ssl.SSLContext | None = None) -> Iterator[Site]:
    with socket.create_server((host, port)) as server:
        made = Site(host, server.getsockname()[1])

        def greet(caller: socket.socket) -> None:
            with caller, suppress(OSError):  # who does not trust a certificate hangs up
                if secure is None:
                    made.answer(caller)
                    return
                with secure.wrap_socket(caller, server_side=True) as safe:
                    made.answer(safe)

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=greet, args=(caller,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield made
        server.shutdown(socket.SHUT_RDWR)
