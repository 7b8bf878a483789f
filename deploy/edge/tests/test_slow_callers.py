"""Callers who send slowly, or much, cost nginx a little and for a while; the others do not notice."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import connection, error_of, exchange, get

MANY = 300
KEY = "Authorization: Bearer good"
BEGUN = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"


def is_closed(opened: socket.socket) -> bool:
    try:
        while opened.recv(65536):
            pass
        return True
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def connections(edge: Edge, sent: bytes, count: int) -> Iterator[list[ssl.SSLSocket]]:
    with contextlib.ExitStack() as stack:
        opened = []
        for number in range(count):
            one = stack.enter_context(connection(edge, address=f"127.0.1.{number % 50 + 1}"))
            one.sendall(sent)
            one.setblocking(False)
            opened.append(one)
        yield opened


@pytest.mark.parametrize(
    "sent",
    [
        BEGUN,
        f"{BEGUN.decode()}{KEY}-slow\r\nContent-Length: 100\r\n\r\n{{".encode(),
        f"{BEGUN.decode()}{KEY}-slow\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{".encode(),
        b"",
    ],
    ids=["headers", "body", "chunks", "nothing"],
)
def test_many_slow_senders_beside_a_quiet_customer(edge: Edge, gateway: Backend, sent: bytes) -> None:
    with connections(edge, sent, MANY) as opened:
        served = 0
        deadline = time.monotonic() + 20
        while not all(is_closed(one) for one in opened):
            assert time.monotonic() < deadline, "they are still connected"
            assert exchange(edge, get("/v1/models", KEY))[0] == 200
            served += 1
            for one in opened[
                :20
            ]:  # a little more from some, as who attacks does; of headers it is the whole that counts
                with contextlib.suppress(OSError, ssl.SSLError):
                    one.send(b"X" if sent == BEGUN else b"")
            time.sleep(0.1)
    assert served > 1
    assert {one.method for one in gateway.seen} == {"GET"}


def test_a_body_is_taken_whole_before_the_gateway_hears_of_it(edge: Edge, gateway: Backend) -> None:
    with connection(edge) as opened:
        opened.sendall(f"{BEGUN.decode()}{KEY}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab".encode())
        edge.wait_for(lambda: len(gateway.asked) <= 1)
        time.sleep(0.3)
        assert gateway.seen == []
        opened.sendall(b"cd")
        assert opened.recv(100).startswith(b"HTTP/1.1 200")
    assert gateway.seen[0].body == b"abcd"


def test_headers_without_end(edge: Edge, gateway: Backend) -> None:
    for headers in (
        [f"X-{number}: {'x' * 50}" for number in range(5000)],
        ["X: " + "x" * 60_000],
        ["X" * 60_000 + ": x"],
    ):
        status, body = exchange(edge, get("/v1/models", KEY, *headers))
        assert (status, error_of(body)["code"]) == (431, "headers_too_large")
    status, body = exchange(edge, get("/v1/" + "x" * 60_000, KEY))
    assert (status, error_of(body)["code"]) == (414, "invalid_request")
    assert gateway.everything == []


def test_a_key_of_ten_kilobytes_is_for_the_gateway_to_refuse(edge: Edge, gateway: Backend) -> None:
    assert exchange(edge, get("/v1/models", "x-api-key: " + "a" * 10_240))[0] == 401
    assert len(gateway.asked) == 1
