"""Webhooks on their way: signed, tried again, withheld, reordered, doubled, dropped."""

import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import Received


def listen(client: stripe.StripeClient, receiver: Received, *types: str) -> stripe.WebhookEndpoint:
    return client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": list(types) or ["*"]})  # type: ignore[typeddict-item]


def make(client: stripe.StripeClient, *names: str) -> None:
    for name in names:
        client.v1.products.create({"name": name})


def names(receiver: Received) -> list[str]:
    return [event["data"]["object"]["name"] for event in receiver.events]


def test_the_secret_is_shown_once(client: stripe.StripeClient, receiver: Received) -> None:
    endpoint = listen(client, receiver)
    assert str(endpoint.secret).startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)


def test_it_is_tried_again_until_it_is_taken(
    client: stripe.StripeClient, server: EmulatorServer, receiver: Received
) -> None:
    listen(client, receiver, "product.created")
    receiver.statuses = [500, 302]
    make(client, "Gold")
    server.wait_delivered()
    [delivery] = server.deliveries()
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 200]
    assert delivery["state"] == "delivered"
    assert len({event["id"] for event in receiver.events}) == 1
    assert len(receiver.events) == 3


def test_only_what_was_asked_for(client: stripe.StripeClient, server: EmulatorServer, receiver: Received) -> None:
    endpoint = listen(client, receiver, "customer.created")
    make(client, "Gold")
    client.v1.customers.create()
    server.wait_delivered()
    assert receiver.types == ["customer.created"]
    client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    client.v1.customers.create()
    server.wait_delivered()
    assert receiver.types == ["customer.created"]


def test_withheld_and_let_go_backwards(client: stripe.StripeClient, server: EmulatorServer, receiver: Received) -> None:
    listen(client, receiver, "product.created")
    server.rule("withhold")
    make(client, "one", "two", "three")
    server.wait_delivered()
    assert receiver.events == []
    assert server.release(backwards=True) == 3
    server.wait_delivered()
    assert names(receiver) == ["three", "two", "one"]


def test_let_go_in_an_order_of_ones_own(
    client: stripe.StripeClient, server: EmulatorServer, receiver: Received
) -> None:
    listen(client, receiver, "product.created")
    server.rule("withhold", types=["product.*"])
    make(client, "one", "two", "three")
    one, two, three = (delivery["event"] for delivery in server.deliveries())
    assert server.release(events=[two, one]) == 2
    server.wait_delivered()
    assert names(receiver) == ["two", "one"]
    assert server.release() == 1
    server.wait_delivered()
    assert receiver.events[-1]["id"] == three


def test_doubled_dropped_and_replayed(client: stripe.StripeClient, server: EmulatorServer, receiver: Received) -> None:
    listen(client, receiver, "product.created")
    server.rule("duplicate", times=1)
    server.rule("drop", times=1)
    make(client, "doubled", "dropped", "plain")
    server.wait_delivered()
    assert names(receiver) == ["doubled", "doubled", "plain"]
    [dropped] = [delivery["event"] for delivery in server.deliveries() if delivery["state"] == "dropped"]
    server.replay(dropped, times=2)
    server.wait_delivered()
    assert names(receiver)[3:] == ["dropped", "dropped"]


def test_one_that_is_late_does_not_hold_up_the_others(
    client: stripe.StripeClient, server: EmulatorServer, receiver: Received
) -> None:
    listen(client, receiver, "product.created")
    server.rule("delay", seconds=1.0, times=1)
    make(client, "late", "prompt")
    server.wait_delivered()
    assert names(receiver) == ["prompt", "late"]


def test_an_event_is_as_it_was_then(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Gold"})
    client.v1.products.update(product.id, {"name": "Platinum"})
    [created] = client.v1.events.list({"type": "product.created"}).data
    assert created.data.object["name"] == "Gold"
    [updated] = client.v1.events.list({"types": ["product.updated"]}).data
    previous = updated.data.previous_attributes
    assert previous is not None
    assert previous["name"] == "Gold"
