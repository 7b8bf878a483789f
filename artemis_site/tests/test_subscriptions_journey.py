"""Plans by subscription, through months: renewed, changed, ended, a card that is refused and one that pays again."""

import time
from collections.abc import Iterator
from typing import Any

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
from artemis_site.tests.test_top_ups_journey import USD, Payer, payer, stand_in, stripe_client, wait_for

__all__ = ["payer", "stand_in", "stripe_client"]
MONTH = 32 * 24 * 3600


def subscribe(payer: Payer, stand_in: EmulatorServer, plan: str = "pro", **fields: Any) -> None:
    session = payer.desk.call(errands.begin_subscription, payer.account_id, plan)
    stand_in.pay(session, **fields)


def until(payer: Payer, plan: str, status: str, promotional: int) -> None:
    """And the ledger is sound."""
    tier = f"{plan.capitalize()} plan" if plan else None
    wait_for(lambda: state(payer) == (plan, status, promotional * USD, tier))
    assert payer.desk.call(errands.ledger_findings) == []


def state(payer: Payer) -> tuple[str, str, int, str | None]:
    return payer.desk.call(errands.plan_of, payer.account_id)


def fees(payer: Payer, dollars: int) -> None:
    wait_for(lambda: payer.desk.call(errands.fees_of, payer.account_id) == dollars * USD)


def card_of(payer: Payer, client: stripe.StripeClient) -> str:
    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    return client.v1.payment_methods.list({"customer": customer}).data[0].id


@pytest.fixture
def own_time(stand_in: EmulatorServer) -> Iterator[EmulatorServer]:
    """Its clock may be put forward; afterwards it is as late as ours again."""
    stand_in.settings(dunning_days=[1, 3], after_dunning="cancel", draft_seconds=0)
    yield stand_in
    stand_in.clear_rules()
    stand_in.advance_time(int(time.time()) - stand_in.advance_time(0))


def test_a_plan_is_renewed_changed_and_ended(payer: Payer, own_time: EmulatorServer) -> None:
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    fees(payer, 20)

    own_time.advance_time(MONTH)
    until(payer, "pro", "active", 50)
    fees(payer, 40)

    payer.desk.call(services.change_plan, account_id=payer.account_id, plan_slug="team")
    wait_for(lambda: state(payer)[0] == "team")
    included = state(payer)[2]
    assert 50 * USD < included <= (25 + 140) * USD  # of the rest of the month, as the fee is
    wait_for(lambda: 40 * USD < payer.desk.call(errands.fees_of, payer.account_id) <= 120 * USD)
    charged = payer.desk.call(errands.fees_of, payer.account_id)
    for plan in ("pro", "team", "pro", "team"):  # nothing is given back, nothing given or charged twice
        payer.desk.call(services.change_plan, account_id=payer.account_id, plan_slug=plan)
        wait_for(lambda: state(payer)[0] == plan)  # noqa: B023
        assert state(payer)[2] == included
    assert payer.desk.call(errands.fees_of, payer.account_id) == charged

    payer.desk.call(services.end_subscription, account_id=payer.account_id, with_period=True)
    own_time.advance_time(MONTH)
    wait_for(lambda: state(payer)[:2] == ("", ""))
    assert payer.desk.call(errands.ledger_findings) == []


def test_a_card_that_is_refused_brings_no_month_and_one_that_pays_does(
    payer: Payer, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    own_time.replace_card(card_of(payer, stripe_client), "4000000000000341")
    own_time.advance_time(MONTH)
    until(payer, "pro", "past_due", 25)
    own_time.replace_card(card_of(payer, stripe_client), "4242424242424242")
    own_time.advance_time(2 * 24 * 3600)
    until(payer, "pro", "active", 50)
    fees(payer, 40)

    own_time.replace_card(card_of(payer, stripe_client), "4000000000000341")
    own_time.advance_time(MONTH + 10 * 24 * 3600)
    until(payer, "", "", 50)


def test_events_out_of_order_give_the_same_plan(payer: Payer, own_time: EmulatorServer) -> None:
    own_time.rule("withhold")
    subscribe(payer, own_time)
    own_time.advance_time(MONTH)
    own_time.clear_rules()
    own_time.release(backwards=True)
    until(payer, "pro", "active", 25)  # of the month that runs; the one before was never heard of while it did
    fees(payer, 40)


def test_a_second_checkout_subscribes_to_nothing(payer: Payer, own_time: EmulatorServer) -> None:
    other = payer.desk.call(errands.begin_subscription, payer.account_id, "team")
    subscribe(payer, own_time)
    with pytest.raises(ValueError, match="expired"):
        own_time.pay(other)
    with pytest.raises(AssertionError, match="subscribed"):
        payer.desk.call(errands.begin_subscription, payer.account_id, "team")
    with pytest.raises(AssertionError, match="no such plan"):
        payer.desk.call(errands.begin_subscription, payer.account_id, "enterprise")
    until(payer, "pro", "active", 25)


@pytest.mark.browser
def test_a_person_subscribes_changes_and_ends_on_the_page(platform: Platform, desk: Desk, page: Page) -> None:
    facts = platform.facts
    path = f"/a/{facts['account']}/billing/"
    sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then=path)
    page.get_by_role("button", name="Subscribe to Pro").click()
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url(f"**{path}")
    expect(page.get_by_text("Thank you. This account has Pro now.")).to_be_visible()

    page.get_by_role("link", name="Change to Team").click()
    expect(page.get_by_text("Charged today")).to_be_visible()
    page.get_by_role("button", name="Change to Team").click()
    expect(page.get_by_text("The plan is changed")).to_be_visible()
    assert not [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not page.evaluate(OVERFLOW)

    page.get_by_role("link", name="Cancel Team").click()
    page.get_by_role("button", name="Cancel Team").click()
    expect(page.get_by_text("then it ends")).to_be_visible()
    page.get_by_role("button", name="Cards and invoices").click()
    expect(page.get_by_text("Stand-in for Stripe").first).to_be_visible()
    desk.call(errands.end_now, desk.key().account_id)
