"""A proxy in front of PostgreSQL that swallows an answer: the statement was done, and who asked never learns of it."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

REQUESTS_FOR_ENCRYPTION = (80877103, 80877104)  # SSLRequest and GSSENCRequest
COMMAND_COMPLETE = b"C"


class LosingProxy:
    """On a port of its own until the `with` ends. `lost`: how many answers were swallowed so far."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._wanted = b""
        self.lost = 0

    def lose(self, command: bytes) -> None:
        """The next answer to such a command is lost, together with its connection; later ones pass.

        `command` is the beginning of the tag with which PostgreSQL ends its answer: `COMMIT`, `INSERT`.
        """
        self._wanted = command

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._sockets):
            _close(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener's end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for pump in (self._ask, self._answer):
                    threading.Thread(target=pump, args=[client, server], daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while len(start := client.recv(8, socket.MSG_WAITALL)) == 8:
                if struct.unpack("!II", start)[1] not in REQUESTS_FOR_ENCRYPTION:
                    break
                client.sendall(b"N")
            while start:
                server.sendall(start)
                start = client.recv(65536)
        _close(client, server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while len(head := server.recv(5, socket.MSG_WAITALL)) == 5:
                body = server.recv(struct.unpack("!I", head[1:])[0] - 4, socket.MSG_WAITALL)
                if head[:1] == COMMAND_COMPLETE and self._wanted and body.startswith(self._wanted):
                    self._wanted, self.lost = b"", self.lost + 1
                    break
                client.sendall(head + body)
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
