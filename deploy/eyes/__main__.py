"""`python -m deploy.eyes --nginx 127.0.0.1:5140 --port 8002`: nginx' lines come by UDP to where it answers by TCP."""

import argparse
import os
import signal
import socket
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, start_http_server

from deploy.eyes import counts, lines
from deploy.eyes.connections import Connections

if TYPE_CHECKING:
    from deploy.eyes.spans import Spans

LONGEST = 65_535
ROOM = 8 * 2**20
"""Bytes of lines that may wait to be read, as far as the kernel allows."""


class Ended(Exception):
    """TERM came."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.eyes", description=__doc__)
    parser.add_argument("--nginx", default="127.0.0.1:5140", help="EDGE_EYES_PORT of nginx, at its address")
    parser.add_argument("--port", type=int, default=8002, help="for Prometheus")
    given = parser.parse_args()
    host, _, port = given.nginx.rpartition(":")

    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    heard.bind((host, int(port)))
    signal.signal(signal.SIGTERM, end)
    REGISTRY.register(Connections(given.nginx))
    start_http_server(given.port)
    spans = traced()
    try:
        while True:
            hear(heard.recv(LONGEST), spans)
    except (Ended, KeyboardInterrupt):
        if spans:
            spans.end()


def hear(datagram: bytes, spans: "Spans | None") -> None:
    """No line, however odd the request that made it, ends the process."""
    line = lines.read(datagram)
    try:
        if line is not None:
            counts.count(line)
            if spans:
                spans.tell(line)
            return
    except ValueError:  # a number that is none
        pass
    counts.UNREADABLE.inc()


def traced() -> "Spans | None":
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    from deploy.eyes.spans import Spans  # noqa: PLC0415 (OpenTelemetry's SDK takes its time)

    return Spans()


def end(number: int, frame: object) -> None:
    raise Ended


if __name__ == "__main__":
    main()
