"""A name server that knows one name, whose addresses change."""

import socketserver
import struct
import threading
from typing import Self


class NameServer:
    """Answers every question for an A record with these addresses, and any other with none."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        names = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                packet, connection = self.request
                number, end = packet[:2], packet.index(b"\0", 12) + 5
                question = packet[12:end]
                found = names.addresses if question[-4:-2] == b"\0\1" else ()
                answer = number + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0) + question
                for one in found:
                    answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + bytes(map(int, one.split(".")))
                connection.sendto(answer, self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
