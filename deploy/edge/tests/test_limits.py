"""Floods, from one address and with one key, beside customers who notice nothing: 429 for who floods alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import pytest

from deploy.edge.tests.backend import Backend, Seen, echo
from deploy.edge.tests.edge import Edge

QUIET, FLOOD = "127.0.2.1", "127.0.2.2"
RATE, BURST = 5, 10
CONNECTIONS = 8


@pytest.fixture(scope="module")
def limited(planes: tuple[Backend, Backend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    gateway, portal = planes
    settings = {
        "ADDRESS_RATE": str(RATE),
        "ADDRESS_BURST": str(BURST),
        "ADDRESS_CONNECTIONS": str(CONNECTIONS),
        "KEY_RATE": str(RATE),
        "KEY_BURST": str(BURST),
        "KEY_CONNECTIONS": str(CONNECTIONS // 2),
    }
    edge = Edge(tmp_path_factory.mktemp("limited"), gateway.address, portal.address, settings)
    edge.start()
    yield edge
    edge.stop()


@pytest.fixture(autouse=True)
def fresh(limited: Edge, gateway: Backend, portal: Backend) -> None:
    limited.stop()
    limited.start()


class Customer(threading.Thread):
    """Asks now and then, for as long as the flood lasts."""

    def __init__(self, edge: Edge, path: str) -> None:
        super().__init__()
        self.edge, self.path = edge, path
        self.over = threading.Event()
        self.statuses: list[int] = []

    def run(self) -> None:
        with self.edge.client(address=QUIET, headers={"Authorization": "Bearer good-quiet"}) as client:
            while len(self.statuses) < 4 or not self.over.wait(1 / RATE):
                self.statuses.append(client.get(self.path).status_code)

    def __enter__(self) -> "Customer":
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        self.join()


def flood(edge: Edge, path: str, count: int, *, addresses: list[str], keys: list[str]) -> "Counter[int]":
    """So many requests, from these addresses and with these keys by turns."""

    def ask(number: int) -> int:
        key = {"Authorization": f"Bearer {keys[number % len(keys)]}"}
        answer = clients[number % len(clients)].get(path, headers=key)
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
            if path.startswith("/v1"):
                assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        return answer.status_code

    clients = [edge.client(address=address) for address in addresses]
    try:
        with ThreadPoolExecutor(4) as pool:
            return Counter(pool.map(ask, range(count)))
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("path", ["/v1/models", "/docs/"])
def test_a_flood_from_one_address(limited: Edge, gateway: Backend, portal: Backend, path: str) -> None:
    with Customer(limited, path) as customer:
        statuses = flood(limited, path, 300, addresses=[FLOOD], keys=[f"good-{number}" for number in range(50)])
    assert statuses.keys() == {200, 429}
    assert statuses[429] > 200
    assert set(customer.statuses) == {200}
    assert len(gateway.seen) + len(portal.seen) == statuses[200] + len(customer.statuses)
    assert limited.entry(status=429)["limit_requests"] == "REJECTED"


def test_a_flood_with_one_key_from_many_addresses(limited: Edge, gateway: Backend) -> None:
    addresses = [f"127.0.3.{number}" for number in range(1, 31)]
    with Customer(limited, "/v1/models") as customer:
        statuses = flood(limited, "/v1/models", 300, addresses=addresses, keys=["good-shared"])
    assert statuses.keys() == {200, 429}
    assert statuses[429] > 200
    assert set(customer.statuses) == {200}


def test_a_flood_with_keys_that_do_not_exist(limited: Edge, gateway: Backend) -> None:
    """The gateway is asked about no more of them than one address may ask."""
    with Customer(limited, "/v1/models") as customer:
        statuses = flood(limited, "/v1/models", 300, addresses=[FLOOD], keys=[f"bad-{number}" for number in range(300)])
    assert statuses.keys() == {401, 429}
    assert statuses[429] > 200
    assert set(customer.statuses) == {200}
    assert len(gateway.asked) <= statuses[401] + len(customer.statuses)


@pytest.mark.parametrize(("same_key", "most"), [(True, CONNECTIONS // 2), (False, CONNECTIONS)])
def test_open_streams_are_counted(limited: Edge, gateway: Backend, same_key: bool, most: int) -> None:
    end = threading.Event()

    def wait(seen: Seen, out: BinaryIO) -> None:
        end.wait(10)
        echo(seen, out)

    gateway.answer = wait

    def ask(number: int) -> int:
        headers = {"Authorization": "Bearer good" if same_key else f"Bearer good-{number}"}
        with limited.client(address=FLOOD, headers=headers) as client:
            return client.get("/v1/models").status_code

    with ThreadPoolExecutor(CONNECTIONS + 2) as pool:
        asked = [pool.submit(ask, number) for number in range(CONNECTIONS + 2)]
        limited.wait_for(lambda: sum(one.done() for one in asked) == CONNECTIONS + 2 - most)
        gateway.answer = echo
        with limited.client(address=QUIET, headers={"Authorization": "Bearer good-quiet"}) as client:
            assert client.get("/v1/models").status_code == 200
        end.set()
        statuses = Counter(one.result() for one in asked)
    assert statuses == {200: most, 429: CONNECTIONS + 2 - most}
