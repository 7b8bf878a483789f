"""The stand-in for Stripe, used by a person: wide and narrow, light and dark; axe finds nothing serious."""

from collections.abc import Iterator

import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.billing.emulator.control import EmulatorServer
from artemis_site.tests.browser import opened_page
from artemis_site.tests.test_pages_in_a_browser import OVERFLOW

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


def look(page: Page) -> None:
    assert page.evaluate(OVERFLOW) <= 0, f"{page.url} is wider than the window"
    violations = Axe().run(page).response["violations"]
    assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == [], page.url


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)], ids=["wide and light", "narrow and dark"])
def test_a_person_subscribes_and_looks_after_it(server: EmulatorServer, width: int, dark: bool) -> None:
    client = stripe.StripeClient(
        "sk_test_51ArtemisStandInForTests",
        stripe_version="2026-05-27.dahlia",
        base_addresses={"api": server.base_url},
        http_client=stripe.RequestsClient(),
    )
    customer = client.v1.customers.create({"email": "alice@northwind.example"})
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 3000,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Gold, with a name that is rather long for a narrow page"},
        }
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": server.base_url + "/c/pay/{CHECKOUT_SESSION_ID}",
            "cancel_url": server.base_url + "/c/pay/{CHECKOUT_SESSION_ID}",
        }
    )
    with opened_page(width=width, dark=dark) as page:
        page.goto(str(session.url))
        expect(page.get_by_text("no real money")).to_be_visible()
        look(page)
        page.get_by_label("Card number").fill("4000 0025 0000 3155")
        page.get_by_label("Name on the card").fill("Alice")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Confirm with your bank")).to_be_visible()
        look(page)
        page.get_by_role("button", name="Complete authentication").click()
        expect(page.get_by_role("heading", name="This is done already")).to_be_visible()
        look(page)

        portal = client.v1.billing_portal.sessions.create({"customer": customer.id, "return_url": server.base_url})
        page.goto(portal.url)
        expect(page.get_by_text("active")).to_be_visible()
        look(page)
        page.get_by_role("button", name="Cancel Gold").click()
        expect(page.get_by_role("button", name="Keep Gold")).to_be_visible()
        page.get_by_role("link", name="-0001").click()
        expect(page.get_by_role("heading", name="Invoice")).to_be_visible()
        look(page)
    assert client.v1.subscriptions.list({"customer": customer.id}).data[0].cancel_at_period_end
