"""The state outlives the process, also one that is killed."""

from pathlib import Path

import pytest

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import Received, client_of


def test_a_restart_keeps_what_was_there(tmp_path: Path) -> None:
    state = tmp_path / "stripe.json"
    server = EmulatorServer("--state", str(state))
    with server:
        customer = client_of(server).v1.customers.create({"payment_method": "pm_card_visa"})
    assert state.stat().st_mode & 0o077 == 0
    with server:
        client = client_of(server)
        assert client.v1.customers.retrieve(customer.id).id == customer.id
        [card] = client.v1.payment_methods.list({"customer": customer.id}).data
        intent = client.v1.payment_intents.create(
            {
                "amount": 500,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": card.id,
                "confirm": True,
            }
        )
        written = state.stat().st_mtime_ns
        server.wait(lambda: state.stat().st_mtime_ns > written)
        server.kill()
    with server:
        assert client_of(server).v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_restart_keeps_what_is_to_be_delivered_and_what_was_answered(tmp_path: Path, receiver: Received) -> None:
    server = EmulatorServer("--state", str(tmp_path / "stripe.json"), "--retry-seconds", "0.05")
    with server:
        client = client_of(server)
        client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["customer.created"]})
        server.rule("withhold")
        first = client.v1.customers.create({"name": "Alice"}, {"idempotency_key": "alice"})
    with server:
        assert client_of(server).v1.customers.create({"name": "Alice"}, {"idempotency_key": "alice"}).id == first.id
        assert receiver.events == []
        assert server.release() == 1
        server.wait_delivered()
    assert [event["data"]["object"]["id"] for event in receiver.events] == [first.id]


def test_there_is_one_state_however_many_processes_the_platform_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    with EmulatorServer() as server:
        made = {client_of(server).v1.customers.create().id for _ in range(20)}
        for _ in range(5):
            listed = client_of(server).v1.customers.list({"limit": 100})
            assert {customer.id for customer in listed.data} == made
