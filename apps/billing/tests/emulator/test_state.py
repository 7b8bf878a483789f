"""The state outlives the process, also one that is killed."""

from pathlib import Path

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import client_of


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
