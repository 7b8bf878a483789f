"""Checkout, from the session to the webhook, through the page that a person sees."""

from collections.abc import Callable

import httpx
import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.conftest import Received

Prices = Callable[..., stripe.Price]
BACK = "https://artemis.example/paid?session={CHECKOUT_SESSION_ID}"


def open_session(client: stripe.StripeClient, price: stripe.Price, **fields: object) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": price.id, "quantity": 2}],
            "success_url": BACK,
            "cancel_url": "https://artemis.example/credit",
            **fields,  # type: ignore[typeddict-item]
        }
    )


def type_card(session: stripe.checkout.Session, number: str, **typed: str) -> httpx.Response:
    form = {"number": number, "expiry": "12 / 34", "cvc": "123", "name": "Alice", **typed}
    return httpx.post(str(session.url), data=form)


def test_a_person_pays_and_the_webhook_is_told(
    client: stripe.StripeClient, server: EmulatorServer, price: Prices, receiver: Received
) -> None:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["checkout.session.completed", "payment_intent.succeeded"]}
    )
    customer = client.v1.customers.create({"email": "alice@northwind.example", "metadata": {"account": "1"}})
    session = open_session(client, price(), customer=customer.id, client_reference_id="1")
    assert (session.amount_total, session.payment_status, session.status) == (5000, "unpaid", "open")

    page = httpx.get(str(session.url))
    assert "Stand-in for Stripe" in page.text
    assert "$50.00" in page.text

    answer = type_card(session, "4242 4242 4242 4242")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://artemis.example/paid?session={session.id}"

    server.wait_delivered()
    assert receiver.types == ["payment_intent.succeeded", "checkout.session.completed"]
    for body, signature in zip(receiver.bodies, receiver.signatures, strict=True):
        event = stripe.Webhook.construct_event(body, signature, str(endpoint.secret))  # type: ignore[no-untyped-call]
        assert event.api_version == "2026-05-27.dahlia"
    completed = receiver.events[1]["data"]["object"]
    assert (completed["id"], completed["payment_status"], completed["client_reference_id"]) == (session.id, "paid", "1")

    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.status, intent.latest_charge.amount, intent.customer) == ("succeeded", 5000, customer.id)
    assert paid.line_items is not None
    assert [item.quantity for item in paid.line_items.data] == [2]


def test_a_declined_card_leaves_the_session_open(client: stripe.StripeClient, price: Prices) -> None:
    session = open_session(client, price())
    refused = type_card(session, "4000000000000002", email="alice@northwind.example")
    assert refused.status_code == 200
    assert "Your card was declined." in refused.text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert type_card(session, "4242424242424242", email="alice@northwind.example").status_code == 303
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_status == "paid"
    charges = client.v1.charges.list({"payment_intent": paid.payment_intent.id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]


def test_a_card_that_asks_its_holder(client: stripe.StripeClient, server: EmulatorServer, price: Prices) -> None:
    session = open_session(client, price(), customer_email="alice@northwind.example")
    asked = type_card(session, "4000002500003155")
    question = server.base_url + asked.headers["location"]
    assert "Complete authentication" in httpx.get(question).text

    failed = httpx.post(question, data={"answer": "fail"})
    assert failed.headers["location"].startswith(f"/c/pay/{session.id}?problem=")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "unpaid"

    again = type_card(session, "4000002500003155")
    done = httpx.post(server.base_url + again.headers["location"], data={"answer": "complete"})
    assert done.headers["location"] == BACK.replace("{CHECKOUT_SESSION_ID}", session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_a_card_is_saved_and_charged_later(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "alice@northwind.example"})
    session = client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "customer": customer.id, "success_url": BACK}
    )
    assert type_card(session, "4242424242424242").status_code == 303
    [card] = client.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": card.id,
            "confirm": True,
            "off_session": True,
        }
    )
    assert intent.status == "succeeded"


def test_only_test_cards_are_taken(client: stripe.StripeClient, price: Prices) -> None:
    session = open_session(client, price(), customer_email="alice@northwind.example")
    for number, words in (("4111111111111111", "non test card"), ("4242424242424241", "number is incorrect")):
        refused = type_card(session, number)
        assert refused.status_code == 200
        assert words in refused.text


def test_an_expired_session_takes_no_card(client: stripe.StripeClient, price: Prices) -> None:
    session = open_session(client, price(), customer_email="alice@northwind.example")
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert type_card(session, "4242424242424242").status_code == 410
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        client.v1.checkout.sessions.expire(session.id)


def test_a_test_pays_without_a_browser(client: stripe.StripeClient, server: EmulatorServer, price: Prices) -> None:
    declined = open_session(client, price(), customer_email="alice@northwind.example")
    assert server.pay(declined.id, card="4000000000000002")["error"] == "Your card was declined."
    asked = open_session(client, price(), customer_email="alice@northwind.example")
    assert server.pay(asked.id, card="4000002760003184", authenticate=True)["payment_status"] == "paid"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "subscription"}, "at least one recurring price"),
        ({"customer": "cus_gone"}, "No such customer"),
        ({"expires_at": 1}, "expires_at"),
        ({"subscription_data": {"trial_period_days": 3}}, "in `payment` mode"),
        ({"line_items": [{"price": "price_gone", "quantity": 1}]}, "No such price"),
        ({"line_items": []}, "line_items"),
    ],
)
def test_what_does_not_fit_is_refused(
    client: stripe.StripeClient, price: Prices, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=words):
        open_session(client, price(), **fields)


def test_a_payment_can_leave_an_invoice(client: stripe.StripeClient, server: EmulatorServer, price: Prices) -> None:
    data = {"invoice_creation": {"enabled": True, "invoice_data": {"metadata": {"order": "7"}}}}
    session = open_session(client, price(), **data)
    server.pay(session.id, email="alice@northwind.example")
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice.payments"]})
    invoice = done.invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (invoice.status, invoice.amount_paid, invoice.customer) == ("paid", 5000, done.customer)
    assert invoice.metadata is not None
    assert invoice.metadata["order"] == "7"
    assert invoice.payments is not None
    assert [one.payment.payment_intent for one in invoice.payments.data] == [done.payment_intent]
