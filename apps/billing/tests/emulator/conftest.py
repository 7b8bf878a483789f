"""A stand-in for Stripe for the whole run, reset for each test, with Stripe's own client and a webhook's receiver."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.emulator.world import API_VERSION

KEY = "sk_test_51ArtemisStandInForTests"


@dataclass
class Received:
    """What a webhook endpoint got, in the order in which it came."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What to answer, first to last; 200 when there are none left."""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@pytest.fixture(scope="session")
def _process() -> Iterator[EmulatorServer]:
    with EmulatorServer("--retry-seconds", "0.05") as server:
        yield server


@pytest.fixture
def server(_process: EmulatorServer) -> EmulatorServer:
    _process.reset()
    return _process


def client_of(server: EmulatorServer, key: str = KEY) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": server.base_url},
        http_client=stripe.RequestsClient(),
        max_network_retries=0,
    )


@pytest.fixture
def client(server: EmulatorServer) -> stripe.StripeClient:
    return client_of(server)


@pytest.fixture
def receiver() -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            received.signatures.append(self.headers["Stripe-Signature"])
            self.send_response(received.statuses.pop(0) if received.statuses else 200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{http.server_address[1]}/hook"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield received
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def price(client: stripe.StripeClient) -> Callable[..., stripe.Price]:
    def make(**fields: Any) -> stripe.Price:
        product = client.v1.products.create({"name": "Credit"})
        return client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 2500, **fields})

    return make
