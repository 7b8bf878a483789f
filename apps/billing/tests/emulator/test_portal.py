"""The customer portal, as a person uses it."""

import httpx
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.life import Life

CARD = {"number": "5555555555554444", "expiry": "12/34", "cvc": "123", "name": "Alice"}


def open_portal(life: Life, **fields: str) -> stripe.billing_portal.Session:
    data = {"customer": life.customer.id, "return_url": "https://artemis.example/billing", **fields}
    return life.client.v1.billing_portal.sessions.create(data)  # type: ignore[arg-type]


def test_a_person_cancels_and_thinks_again(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    subscription = life.subscribe(life.price("Gold"))
    session = open_portal(life)
    page = httpx.get(session.url).text
    assert "renews on 01 May 2026" in page
    assert "Visa ending in 4242" in page
    assert "$30.00" in page
    form = {"subscription": subscription.id}
    assert httpx.post(f"{session.url}/cancel", data=form).status_code == 303
    assert life.subscription(subscription).cancel_at_period_end
    assert "ends on 01 May 2026" in httpx.get(session.url).text
    httpx.post(f"{session.url}/cancel", data={**form, "keep": "yes"})
    assert not life.subscription(subscription).cancel_at_period_end


def test_a_person_changes_the_card(client: stripe.StripeClient, server: EmulatorServer) -> None:
    life = Life.begin(client, at="2026-04-01")
    subscription = life.subscribe(life.price())
    session = open_portal(life)
    refused = httpx.post(f"{session.url}/card", data={**CARD, "number": "4000000000000002"})
    assert "Your card was declined." in refused.text
    asked = httpx.post(f"{session.url}/card", data={**CARD, "number": "4000002500003155"})
    done = httpx.post(server.base_url + asked.headers["location"], data={"answer": "complete"})
    assert done.headers["location"].startswith(session.url)
    charged = life.subscription(subscription).default_payment_method
    card = client.v1.payment_methods.retrieve(str(charged)).card
    assert card is not None
    assert card.last4 == "3155"
    life.advance("2026-05-02")
    assert life.invoices()[-1].status == "paid"


def test_a_card_that_was_given_twice_is_listed_once(client: stripe.StripeClient) -> None:
    life = Life.begin(client)
    session = open_portal(life)
    for number in ("4242424242424242", CARD["number"], "4242424242424242"):
        httpx.post(f"{session.url}/card", data={**CARD, "number": number})
    page = httpx.get(session.url).text
    assert page.count("Visa ending in 4242") == page.count("Mastercard ending in 4444") == 1
    assert "Visa ending in 4242</span><span>default" in page


def test_nobody_cancels_for_somebody_else(client: stripe.StripeClient) -> None:
    alice, bob = Life.begin(client), Life.begin(client)
    subscription = alice.subscribe(alice.price())
    session = open_portal(bob)
    assert httpx.post(f"{session.url}/cancel", data={"subscription": subscription.id}).status_code == 403
    assert httpx.get(session.url + "x").status_code == 404


def test_a_configuration_decides_what_can_be_done(client: stripe.StripeClient) -> None:
    life = Life.begin(client)
    subscription = life.subscribe(life.price())
    configuration = client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    session = open_portal(life, configuration=configuration.id)
    page = httpx.get(session.url).text
    assert "Cancel Gold" not in page
    assert "Use another card" not in page
    assert httpx.post(f"{session.url}/cancel", data={"subscription": subscription.id}).status_code == 403
    assert httpx.post(f"{session.url}/card", data=CARD).status_code == 403
