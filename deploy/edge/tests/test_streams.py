"""Streams and websockets go through as they come; reloads and dead gateways cut none that could go on."""

import base64
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import httpx
import pytest

from deploy.edge.tests.backend import Backend, Seen, echo, hanging_up
from deploy.edge.tests.edge import NGINXES, Edge, version
from deploy.edge.tests.wire import connection

DISCONNECTED = "RemoteProtocolError('Server disconnected without sending a response.')"
UNLIMITED = {"ADDRESS_RATE": "100000", "KEY_RATE": "100000"}
KEY = {"Authorization": "Bearer good"}
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Turns:
    """A stream whose next part is sent only once the one before has been read."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.read = threading.Semaphore(0)

    def __call__(self, seen: Seen, out: BinaryIO) -> None:
        out.write(HEAD)
        for number in range(self.parts):
            out.write(chunk(b"data: %d\n\n" % number))
            assert self.read.acquire(timeout=5)
        out.write(chunk(b""))


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/a/moon/chat/ask/"])
def test_each_part_comes_before_the_next_is_sent(
    edge: Edge, gateway: Backend, portal: Backend, path: str, http2: bool
) -> None:
    turns = Turns(5)
    gateway.answer = portal.answer = turns
    got = []
    with edge.client(headers=KEY, http2=http2) as client, client.stream("POST", path, json={}) as answer:
        assert answer.headers["x-accel-buffering"] == "no"  # for whoever stands in front of us
        for part in answer.iter_text():
            got.append(part)
            turns.read.release()
    assert got == [f"data: {number}\n\n" for number in range(5)]


def test_who_hangs_up_is_gone_for_the_gateway_too(edge: Edge, gateway: Backend) -> None:
    gone = threading.Event()

    def until_gone(seen: Seen, out: BinaryIO) -> None:
        out.write(HEAD)
        try:
            while True:
                out.write(chunk(b"data: x\n\n"))
                time.sleep(0.02)
        except OSError:
            gone.set()
            raise

    gateway.answer = until_gone
    with edge.client(headers=KEY) as client, client.stream("POST", "/v1/chat/completions", json={}) as answer:
        next(answer.iter_text())
    assert gone.wait(5)


def test_a_websocket_is_echoed(edge: Edge, portal: Backend) -> None:
    def frames(seen: Seen, out: BinaryIO) -> None:
        assert (seen.header("upgrade"), seen.header("connection")) == ("websocket", "upgrade")
        out.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        for number in range(3):
            out.write(b"\x81\x01%d" % number)  # a frame of text, of one byte
            time.sleep(0.05)
        raise ConnectionError

    portal.answer = frames
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /ws/chat/ HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
    with connection(edge) as opened:
        opened.sendall("\r\n".join(lines).encode())
        said = b""
        while part := opened.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 101 ")
    assert said.endswith(b"\r\n\r\n\x81\x010\x81\x011\x81\x012")


class Callers:
    """Some who ask, each on a connection of its own or a kept one, and some who read streams; until told to stop."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.over = threading.Event()
        self.found: Counter[str] = Counter()

    def ask(self, number: int) -> None:
        while not self.over.is_set():
            headers = {"Authorization": f"Bearer good-{number}"}
            with self.edge.client(headers=headers, address=f"127.0.4.{number + 1}") as client:
                for _ in range(1 + number % 2 * 20):
                    try:
                        answer = client.post("/v1/chat/completions", json={})
                        self.found[str(answer.status_code) if answer.text else "cut"] += 1
                    except httpx.HTTPError as error:
                        self.found[repr(error)] += 1

    def __enter__(self) -> "Callers":
        self._pool = ThreadPoolExecutor(6)
        self._asked = [self._pool.submit(self.ask, number) for number in range(6)]
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        for one in self._asked:
            one.result()
        self._pool.shutdown()


def served(callers: Callers, more: int) -> None:
    """Waits for so many more answers."""
    enough = callers.found.total() + more
    callers.edge.wait_for(lambda: callers.found.total() >= enough)


@pytest.fixture(params=NGINXES)
def reloaded(
    request: pytest.FixtureRequest, gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    edge = Edge(tmp_path_factory.mktemp("reloaded"), gateway.address, portal.address, UNLIMITED, request.param)
    edge.start()
    yield edge
    edge.stop()


def test_a_reload_fails_nobody(reloaded: Edge, gateway: Backend, portal: Backend) -> None:
    turns = Turns(40)
    portal.answer = turns
    with Callers(reloaded) as callers, reloaded.client() as client, client.stream("GET", "/docs/") as answer:
        parts = answer.iter_text()
        got = 0
        for _ in range(4):
            served(callers, 50)
            workers = reloaded.workers()
            reloaded.reload()
            reloaded.wait_for(lambda before=workers: reloaded.workers() - before)
            for _ in range(10):
                got += next(parts).count("data")
                turns.read.release()
        turns.read.release(40)
        got += "".join(parts).count("data")
    assert got == 40
    lost = callers.found.total() - callers.found["200"]
    if version(reloaded.nginx) >= (1, 27, 4):
        assert lost == 0
    else:  # an idle connection is closed, and a request that is on its way then is not taken; it can be sent again
        assert set(callers.found) <= {"200", DISCONNECTED}
        assert lost <= 3 * 4  # of those who keep their connections, at each reload
    assert callers.found["200"] >= 200
    assert len(gateway.seen) == callers.found["200"]  # each once


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Backend, Backend]]:
    with Backend() as first, Backend() as second:
        upstream = f"{first.address},{second.address}"
        edge = Edge(tmp_path_factory.mktemp("two"), upstream, upstream, UNLIMITED)
        edge.start()
        yield edge, first, second
        edge.stop()


def test_one_of_two_gateways_dies_and_comes_back(two: tuple[Edge, Backend, Backend]) -> None:
    edge, first, second = two
    with Callers(edge) as callers:
        served(callers, 100)
        second.kill()
        served(callers, 300)
        alone = len(first.seen)
        second.start()
        edge.wait_for(lambda: second_serves(second))
    assert alone > 0
    # What was on its way to the one that died may have been taken: that is told, and not sent to another.
    assert {status for status in callers.found if callers.found[status]} <= {"200", "502"}
    assert callers.found["502"] <= 6
    bodies = Counter(one.header("x-request-id") for one in (*first.seen, *second.seen))
    assert set(bodies.values()) == {1}


def second_serves(second: Backend) -> bool:
    before = len(second.seen)
    time.sleep(0.2)
    return len(second.seen) > before


def test_no_gateway_at_all(two: tuple[Edge, Backend, Backend]) -> None:
    edge, first, second = two
    with edge.client(headers=KEY) as client:
        assert client.post("/v1/chat/completions").status_code == 200
        first.kill()
        second.kill()
        answer = client.post("/v1/chat/completions")  # the key is known to be good
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "service_unavailable")
        answer = client.post("/v1/chat/completions", headers={"Authorization": "Bearer good-other"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
        assert answer.headers["retry-after"]
        assert client.get("/docs/").status_code == 502
        first.start()
        edge.wait_for(lambda: client.post("/v1/chat/completions").status_code == 200, 20)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_post_reaches_one_gateway_once_and_a_get_goes_on_to_the_next(
    two: tuple[Edge, Backend, Backend], method: str
) -> None:
    edge, first, second = two
    first.answer = second.answer = hanging_up
    with edge.client(headers=KEY) as client:
        assert client.request(method, "/v1/models").status_code == 502
    assert len(first.seen) + len(second.seen) == (1 if method == "POST" else 2)
    first.answer = second.answer = echo
