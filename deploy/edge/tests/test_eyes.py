"""What Prometheus is told of a real nginx: each request once, by what became of it, and nothing of callers."""

import concurrent.futures
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from deploy.edge.tests.backend import Backend, hanging_up, saying
from deploy.edge.tests.edge import NGINXES, Edge, has_connections
from deploy.edge.tests.eyes import Eyes
from deploy.edge.tests.wire import exchange, get

KEY = {"Authorization": "Bearer good-eyes"}
REQUESTS = "artemis_edge_requests_total"
SECRET = "a-name-that-nobody-else-has"


@pytest.fixture(scope="module")
def eyes() -> Iterator[Eyes]:
    with Eyes() as eyes:
        yield eyes


@pytest.fixture(scope="module", params=NGINXES, ids=["this machine's", "a new one"][: len(NGINXES)])
def watched(
    request: pytest.FixtureRequest,
    planes: tuple[Backend, Backend],
    eyes: Eyes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Edge]:
    gateway, portal = planes
    settings = {"MAX_BODY": "1k", "KEY_RATE": "1", "KEY_BURST": "3", "KEY_CONNECTIONS": "2", "ADDRESS_RATE": "1000"}
    folder = tmp_path_factory.mktemp("watched")
    edge = Edge(folder, gateway.address, portal.address, settings | eyes.settings, request.param)
    edge.start()
    eyes.wait(edge)
    yield edge
    edge.stop()


@pytest.fixture
def key() -> dict[str, str]:
    """Another one for each test: limits are by key."""
    return {"Authorization": f"Bearer good-{time.monotonic_ns()}"}


class Change:
    """Since it was made, of a counter."""

    def __init__(self, eyes: Eyes, edge: Edge, name: str = REQUESTS) -> None:
        self.eyes, self.edge, self.name = eyes, edge, name
        self.before = eyes.figures(name)

    def now(self) -> dict[str, float]:
        found = self.eyes.figures(self.name)
        changes = {labels: value - self.before.get(labels, 0) for labels, value in found.items()}
        return {labels: value for labels, value in changes.items() if value and " health " not in labels}

    def becomes(self, expected: dict[str, float]) -> None:
        """Within a moment, and nothing else besides."""
        deadline = time.monotonic() + 5
        while (found := self.now()) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found == expected


@pytest.fixture
def change(eyes: Eyes, watched: Edge, gateway: Backend, portal: Backend) -> Iterator[Change]:
    yield Change(eyes, watched)
    watched.maintenance.unlink(missing_ok=True)


def test_what_goes_through(watched: Edge, change: Change, key: dict[str, str], portal: Backend) -> None:
    with watched.client(headers=key) as client:
        client.post("/v1/chat/completions?trace=1", content=b"{}").raise_for_status()
        client.get(f"/v1/{SECRET}").raise_for_status()
        client.get("/api/v1/keys").raise_for_status()
        client.get("/static/site.css").raise_for_status()
        portal.answer = saying(b"{}", status="500 Broken")
        assert client.get("/docs/").status_code == 500
    change.becomes(
        {
            "gateway chat 2xx forwarded": 1,
            "gateway other 2xx forwarded": 1,
            "portal api 2xx forwarded": 1,
            "portal static 2xx forwarded": 1,
            "portal pages 5xx forwarded": 1,
        }
    )


def test_what_the_edge_refuses(watched: Edge, change: Change, key: dict[str, str], gateway: Backend) -> None:
    with watched.client() as client:
        assert client.get("/v1/models", headers={"Authorization": "Bearer bad"}).status_code == 401
        assert client.post("/v1/chat/completions", headers=key, content=b"x" * 2048).status_code == 413
        assert client.get("/metrics").status_code == 404
        gateway.authorize = saying(status="500 Broken")
        assert client.get("/v1/models", headers={"Authorization": "Bearer good-unchecked"}).status_code == 503
        gateway.reset()
        watched.maintenance.touch()
        assert client.post("/v1/messages", headers={"x-api-key": "good"}).status_code == 529
        assert client.get("/docs/").status_code == 503
        watched.maintenance.unlink()
    assert exchange(watched, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")[0] == 400
    change.becomes(
        {
            "gateway models 4xx key_refused": 1,
            "gateway chat 4xx too_large": 1,
            "edge other 4xx not_found": 1,
            "gateway models 5xx key_unchecked": 1,
            "gateway messages 5xx maintenance": 1,
            "portal pages 5xx maintenance": 1,
            "edge other 4xx unreadable": 1,
        }
    )
    assert gateway.seen == []


def test_limits(watched: Edge, change: Change, key: dict[str, str]) -> None:
    with watched.client(headers=key) as client:
        statuses = [client.get("/v1/models").status_code for _ in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    change.becomes({"gateway models 2xx forwarded": 4, "gateway models 4xx limit_requests": 2})


def test_limits_of_what_is_open(watched: Edge, change: Change, key: dict[str, str], gateway: Backend) -> None:
    gateway.answer = lambda seen, out: (time.sleep(0.5), saying(b"{}")(seen, out))[1]
    with watched.client(headers=key) as client, concurrent.futures.ThreadPoolExecutor(3) as several:
        statuses = sorted(several.map(lambda _: client.get("/v1/models").status_code, range(3)))
    assert statuses == [200, 200, 429]
    change.becomes({"gateway models 2xx forwarded": 2, "gateway models 4xx limit_connections": 1})


def test_a_plane_that_is_away(watched: Edge, eyes: Eyes, change: Change, portal: Backend) -> None:
    tries = Change(eyes, watched, "artemis_edge_upstream_tries_total")
    portal.answer = hanging_up
    with watched.client() as client:
        assert client.post("/docs/").status_code == 502
    change.becomes({"portal pages 5xx upstream_away": 1})
    tries.becomes({"portal 5xx": 1})


def test_who_hangs_up(watched: Edge, change: Change, portal: Backend) -> None:
    portal.answer = lambda seen, out: time.sleep(1)
    with watched.client(timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
        client.get("/docs/")
    change.becomes({"portal pages 4xx hung_up": 1})


def test_times(watched: Edge, eyes: Eyes, change: Change, portal: Backend) -> None:
    whole = Change(eyes, watched, "artemis_edge_request_duration_seconds_sum")
    behind = Change(eyes, watched, "artemis_edge_upstream_duration_seconds_sum")
    portal.answer = lambda seen, out: (time.sleep(0.31), saying(b"{}")(seen, out))[1]
    with watched.client() as client:
        client.get("/docs/").raise_for_status()
    change.becomes({"portal pages 2xx forwarded": 1})
    assert 0.3 <= whole.now()["portal pages"] < 1  # nginx counts in milliseconds, and these are differences of sums
    assert 0.3 <= behind.now()["portal"] < 1


def test_connections(watched: Edge, eyes: Eyes) -> None:
    assert eyes.figures("artemis_edge_nginx_up") == {"": 1}
    if not has_connections(watched.nginx):
        assert eyes.figures("artemis_edge_connections") == {}
        return
    with socket.create_connection(("127.0.0.1", watched.https_port)):
        figures = eyes.figures("artemis_edge_connections")
    assert figures.keys() == {"reading", "writing", "waiting"}
    assert figures["writing"] >= 1  # the one that asks
    assert figures["waiting"] + figures["reading"] >= 1


def test_no_line_is_lost(watched: Edge, eyes: Eyes, key: dict[str, str], portal: Backend) -> None:
    """What nginx counts by itself, and what it has told of, grow alike."""
    lines, counted = (Change(eyes, watched, f"artemis_edge_{name}_total") for name in ("lines", "nginx_requests"))
    with concurrent.futures.ThreadPoolExecutor(8) as several:
        for http2 in (False, True):
            with watched.client(headers=key, http2=http2) as client:
                list(several.map(lambda n, client=client: client.get(f"/docs/{n}"), range(150)))
    watched.wait_for(lambda: lines.now()[""] >= 300)
    if has_connections(watched.nginx):
        assert abs(counted.now()[""] - lines.now()[""]) <= 8  # of each look here one side knows earlier


def test_nothing_of_callers_is_told(watched: Edge, eyes: Eyes) -> None:
    hostile = [get(f"/v1/{SECRET}/{n}?key={SECRET}", f"Authorization: Bearer good-{SECRET}-{n}") for n in range(30)]
    hostile += [get(f"/{SECRET}-{n}", f"X-Request-Id: {SECRET}", "traceparent: 00-nonsense") for n in range(30)]
    hostile += [f"{SECRET.upper()} /docs/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), b"\x00\r\n\r\n"]
    before = Change(eyes, watched, "artemis_edge_lines_total")
    unreadable = Change(eyes, watched, "artemis_edge_unreadable_lines_total")
    for request in hostile:
        exchange(watched, request)
    watched.wait_for(lambda: before.now().get("", 0) >= 60)
    told = eyes.told()
    assert SECRET not in told.lower()
    assert "127.0.0.1" not in told
    assert unreadable.now() == {}
    assert len(eyes.figures(REQUESTS)) < 60


def test_what_is_no_line_is_counted_as_such(watched: Edge, eyes: Eyes) -> None:
    before = Change(eyes, watched, "artemis_edge_unreadable_lines_total")
    texts = dict.fromkeys(("method", "path", "plane", "refused", "limit_requests", "upstream_status"), "")
    texts |= dict.fromkeys(("http", "request_id", "traceparent", "parent", "span", "upstream_seconds"), "")
    numbers = {"ended": 1.0, "seconds": 0.0, "status": 200}
    odd = [{"upstream_status": "x", "upstream_seconds": "1"}, {"upstream_status": "200", "upstream_seconds": "x"}]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in (
            *(b"", b"{", b"\xff\xfe", b'{"status": "x"}', b"{" * 60_000),
            *(json.dumps({**texts, **numbers, **one}).encode() for one in odd),
        ):
            stranger.sendto(datagram, ("127.0.0.1", eyes.nginx_port))
    before.becomes({"": 7})
    assert eyes.process.poll() is None


def test_its_port_is_there_for_this_machine_alone(watched: Edge, eyes: Eyes) -> None:
    addresses = {one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"} | {"127.0.0.2"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, eyes.nginx_port), timeout=2)
    for path in ("/connections", "/metrics", "/stub_status"):
        with watched.client() as client:
            assert "artemis_edge" not in client.get(path).text
            assert "Active connections" not in client.get(path).text


def test_without_it_nginx_serves_and_does_not_complain(
    gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory, watched: Edge
) -> None:
    eyes = Eyes()
    folder = tmp_path_factory.mktemp("unwatched")
    edge = Edge(folder, gateway.address, portal.address, eyes.settings, watched.nginx)
    edge.start()
    try:
        with edge.client(headers=KEY) as client:
            assert {client.get("/docs/").status_code for _ in range(50)} == {200}
            assert edge.errors() == ""
            with eyes:  # and is heard as soon as there is somebody
                eyes.wait(edge)
                client.get("/docs/")
                edge.wait_for(lambda: eyes.figures(REQUESTS).get("portal pages 2xx forwarded"))
                assert eyes.stop() == 0
    finally:
        edge.stop()
