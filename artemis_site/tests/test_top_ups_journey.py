"""Credit by card: the page, Checkout, Stripe's webhooks, the ledger; against the stand-in that `make run` starts."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.billing import services
from apps.billing.emulator.control import EmulatorServer
from artemis_site.tests import errands
from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_pages_in_a_browser import OVERFLOW

USD = 10**9


@dataclass(frozen=True)
class Payer:
    """An account of its own, that begins with nothing and may owe nothing."""

    desk: Desk
    account_id: int

    @property
    def prepaid(self) -> int:
        return self.desk.call(errands.prepaid, self.account_id)

    def checkout(self, dollars: int) -> str:
        """The id of a Checkout for so much credit."""
        return self.desk.call(errands.begin_top_up, self.account_id, dollars * USD)


@pytest.fixture
def stand_in(platform: Platform) -> EmulatorServer:
    return EmulatorServer(port=json.loads((platform.home / "state.json").read_text())["stripe_port"])


@pytest.fixture
def payer(desk: Desk, request: pytest.FixtureRequest) -> Payer:
    return Payer(desk, desk.call(errands.prepay, request.node.name[:50], 0).account_id)


@pytest.fixture
def stripe_client(platform: Platform, stand_in: EmulatorServer) -> stripe.StripeClient:
    environment = dict(line.split("=", 1) for line in (platform.home / "platform.env").read_text().splitlines())
    return stripe.StripeClient(environment["STRIPE_SECRET_KEY"], base_addresses={"api": stand_in.base_url})


def wait_for(found: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "what was awaited did not happen"
        time.sleep(0.2)


@pytest.mark.browser
def test_a_person_adds_credit_on_the_page(platform: Platform, desk: Desk, page: Page) -> None:
    facts = platform.facts
    path = f"/a/{facts['account']}/billing/"
    sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then=path)
    page.get_by_label("US dollars").fill("1")
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_text("Give a sum from $5.00")).to_be_visible()
    page.get_by_label("US dollars").fill("30")
    page.get_by_role("button", name="Pay by card").click()

    expect(page.get_by_text("Stand-in for Stripe")).to_be_visible()
    page.get_by_label("Card number").fill("4000 0000 0000 0002")
    page.get_by_role("button", name="Pay $30.00").click()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay $30.00").click()

    page.wait_for_url(f"**{path}")
    expect(page.get_by_text("Thank you. The credit is there")).to_be_visible()
    expect(page.get_by_text("+$30.00")).to_be_visible()
    assert not [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not page.evaluate(OVERFLOW)
    assert desk.call(errands.ledger_findings) == []
    receipt = page.get_by_role("link", name="Receipt of $30.00")
    wait_for(lambda: receipt.count() or not page.reload())
    receipt.click()
    expect(page.get_by_role("heading", name="Receipt from")).to_be_visible()
    expect(page.get_by_text("$30.00").first).to_be_visible()


def test_a_webhook_alone_brings_the_credit_once(platform: Platform, payer: Payer, stand_in: EmulatorServer) -> None:
    """Its visitor never comes back; the event comes three times more."""
    session = payer.checkout(20)
    stand_in.tell("/_emulator/checkout/pay", session=session)
    wait_for(lambda: payer.prepaid == 20 * USD)
    event = payer.desk.call(errands.event_about, "checkout.session.completed", session)
    stand_in.tell("/_emulator/deliveries/replay", event=event, times=3)
    again = payer.checkout(7)
    stand_in.tell("/_emulator/checkout/pay", session=again)
    wait_for(lambda: payer.prepaid == 27 * USD)
    assert payer.desk.call(errands.ledger_findings) == []


def test_events_that_came_backwards_or_not_at_all(
    platform: Platform, payer: Payer, stand_in: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    """A refund is heard of before its payment; then nothing arrives, and the sync finds what was missed."""
    stand_in.rule("withhold")
    session = payer.checkout(20)
    stand_in.tell("/_emulator/checkout/pay", session=session)
    intent = str(stripe_client.v1.checkout.sessions.retrieve(session).payment_intent)
    stripe_client.v1.refunds.create({"payment_intent": intent, "amount": 800})
    assert payer.prepaid == 0
    stand_in.clear_rules()
    stand_in.release(backwards=True)
    wait_for(lambda: payer.prepaid == 12 * USD)

    stand_in.rule("drop")
    stand_in.tell("/_emulator/checkout/pay", session=payer.checkout(5))
    assert payer.prepaid == 12 * USD
    payer.desk.call(services.find_missed_events, older_than=timedelta(0))
    stand_in.clear_rules()
    wait_for(lambda: payer.prepaid == 17 * USD)
    assert payer.desk.call(errands.ledger_findings) == []


def test_a_payment_that_is_disputed_is_taken_back_and_given_again_when_won(
    payer: Payer, stand_in: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    session = payer.checkout(20)
    stand_in.pay(session)
    wait_for(lambda: payer.prepaid == 20 * USD)
    intent = stripe_client.v1.payment_intents.retrieve(
        str(stripe_client.v1.checkout.sessions.retrieve(session).payment_intent)
    )
    dispute = stand_in.dispute(str(intent.latest_charge))
    wait_for(lambda: payer.prepaid == 0)
    stand_in.close_dispute(dispute, won=True)
    wait_for(lambda: payer.prepaid == 20 * USD)
    assert payer.desk.call(errands.ledger_findings) == []


def test_another_account_sees_nothing_of_a_payment(payer: Payer, desk: Desk) -> None:
    session = payer.checkout(20)
    stranger = desk.call(errands.prepay, "Stranger to payments", 0).account_id
    with pytest.raises(AssertionError, match="no such payment"):
        desk.call(services.look_at_top_up, account_id=stranger, session_id=session)
    with pytest.raises(AssertionError, match="no such payment"):
        desk.call(services.look_at_subscription, account_id=stranger, session_id=session)


def test_a_card_that_is_declined_brings_nothing(payer: Payer, stand_in: EmulatorServer) -> None:
    session = payer.checkout(20)
    declined = stand_in.tell("/_emulator/checkout/pay", session=session, card="4000000000000002")
    assert declined["error"]
    stand_in.tell("/_emulator/checkout/pay", session=session)
    wait_for(lambda: payer.prepaid == 20 * USD)


def test_only_what_stripe_has_signed_is_believed(platform: Platform, desk: Desk) -> None:
    url, secret = desk.call(errands.webhook_endpoint)
    event: dict[str, Any] = {
        "id": "evt_forged",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "pi_forged", "object": "payment_intent"}},
    }

    def post(body: str, *, key: str = secret, at: float | None = None, to: str = url) -> httpx.Response:
        moment = int(time.time() if at is None else at)
        signature = stripe.WebhookSignature._compute_signature(f"{moment}.{body}", key)
        headers = {"Stripe-Signature": f"t={moment},v1={signature}", "X-Djstripe-Webhook-Secret": "whsec_mine"}
        return httpx.post(to, content=body, headers=headers)

    text = json.dumps(event)
    assert httpx.post(url, content=text).status_code == 400
    assert post(text, key="whsec_mine").json()["error"]["code"] == "invalid_signature"
    assert post(text, at=time.time() - 3600).status_code == 400
    assert post(json.dumps({**event, "livemode": True})).json()["error"]["code"] == "wrong_mode"
    assert post(text, to=url.replace(url[-30:-1], "0" * 29)).status_code == 404
    assert httpx.get(url).status_code == 405
    assert post("x" * 1_000_001).status_code == 413
    assert post("[]").status_code == 400
    assert desk.call(errands.event_about, "payment_intent.succeeded", "pi_forged") == ""
    assert secret not in Path(platform.home / "logs" / "web.log").read_text()
