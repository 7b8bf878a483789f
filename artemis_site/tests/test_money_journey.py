"""A person's money, from the first plan to its end: what the pages, the ledger and Stripe say agrees after each step.

`SCREENSHOTS=/tmp/money pytest …` keeps a picture of each page, wide and light as well as narrow and dark.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.billing import services
from apps.billing.emulator.control import EmulatorServer
from artemis_site.tests import errands
from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_desk_in_a_browser import AS_IT_IS
from artemis_site.tests.test_owed_journey import DAY, DECLINES, dear, letters, look_until, spend
from artemis_site.tests.test_pages_in_a_browser import OVERFLOW
from artemis_site.tests.test_subscriptions_journey import MONTH, own_time, state, until
from artemis_site.tests.test_top_ups_journey import USD, Payer, stand_in, stripe_client, wait_for

__all__ = ["dear", "own_time", "stand_in", "stripe_client"]
pytestmark = pytest.mark.browser
SIZES = {"wide": (1280, "light"), "narrow": (360, "dark")}
SHOWN = {
    "Balance": "available",
    "Prepaid credit": "prepaid",
    "Included credit": "promotional",
    "On the next invoice": "metered",
    "On invoices": "metered",
    "Owed for use": "owed",
    "Not booked yet": "unposted",
}


@dataclass(frozen=True)
class Person:
    """Who has signed up, with the page Billing of the account and its first key."""

    page: Page
    billing: str
    payer: Payer
    key: Key
    client: stripe.StripeClient

    def look(self, name: str) -> None:
        """At the page that is open, wide and narrow: it fits, and everybody can use it."""
        for size in fits(self.page, name):
            usable(self.page, f"{name}, {size}")

    def look_from_the_desk(self, platform: Platform) -> None:
        """As the staff see the account."""
        assert self.page.context.browser
        with self.page.context.browser.new_context() as context:
            desk = context.new_page()
            facts = platform.facts
            email, password = facts["admin_email"], facts["admin_password"]
            sign_in(desk, platform.base_url, email=email, password=password, then="/admin/")
            for kind in ("plan", "subscription", "meterbatch", "dunning", "autotopup", "topup"):
                desk.goto(f"{platform.base_url}/admin/billing/{kind}/")
                look_narrowly(desk, f"desk-{kind}s")
                row = desk.locator("#result_list tbody tr").filter(has_text="Pro" if kind == "plan" else "payer").first
                row.get_by_role("link").first.click()
                list(fits(desk, f"desk-{kind}"))
                assert "000000000" not in desk.locator("#content").inner_text(), "sums are in dollars"
            desk.goto(f"{platform.base_url}/admin/money/{self.payer.account_id}/")
            look_narrowly(desk, "desk-money")
            desk.goto(f"{platform.base_url}/admin/finance/")
            look_narrowly(desk, "desk-finance")

    def shown(self) -> dict[str, int]:
        """What the page Billing says, by name."""
        self.page.goto(self.billing)
        stats = self.page.get_by_role("region", name="Balance").locator("dl > div").all()
        texts = {one.locator("dt").inner_text(): one.locator("dd").inner_text() for one in stats}
        return {SHOWN[name]: nano(text.splitlines()[0]) for name, text in texts.items()}

    def agree(self) -> None:
        """The page, the ledger and Stripe, once what is under way has arrived."""
        differences = ["nothing was compared"]

        def agreed() -> bool:
            differences[:] = self.differences()
            return not differences

        try:
            wait_for(agreed)
        except AssertionError as error:
            raise AssertionError(f"they differ still: {differences}") from error

    def differences(self) -> list[str]:
        books = self.payer.desk.call(errands.books_of, self.payer.account_id)
        page = {name: getattr(books.balance, name) for name in SHOWN.values()}
        shown = {**dict.fromkeys(("metered", "owed"), 0), **self.shown()}
        compared = {"on the page": (shown, page), **self.at_stripe(books)}
        return [f"{name}: {one} and {other}" for name, (one, other) in compared.items() if one != other]

    def at_stripe(self, books: errands.Books) -> dict[str, tuple[object, object]]:
        customer = self.payer.desk.call(errands.stripe_id_of, self.payer.account_id)
        every = {"customer": customer, "limit": 100}
        subscriptions = self.client.v1.subscriptions.list({**every, "status": "all"}).data  # type: ignore[typeddict-item]
        [status] = [one.status for one in subscriptions]
        invoices = self.client.v1.invoices.list(every).data  # type: ignore[arg-type]
        payments = self.client.v1.payment_intents.list(every).data  # type: ignore[arg-type]
        batches = self.payer.desk.call(errands.batches_of, self.payer.account_id)
        cents = self.payer.desk.call(services.counted_by_stripe, account_id=self.payer.account_id) if batches else 0
        return {
            "the subscription": ("" if status == "canceled" else status, books.status),
            "paid invoices": (sum(one.amount_paid for one in invoices) * USD // 100, books.invoiced),
            "payments": (sum(one.amount_received for one in payments) * USD // 100, books.taken),
            "the meter": (cents * USD // 100, books.metered),
        }


def fits(page: Page, name: str) -> Iterator[str]:
    """Each size, once the page has it, does not scroll sideways and is photographed."""
    for size, (width, scheme) in SIZES.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.evaluate("scrollTo(0, 0)")
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}-{size}.png", full_page=True, animations="disabled")
        assert page.evaluate(OVERFLOW) <= 0, f"{name}, {size}, is wider than the window"
        yield size
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")


def usable(page: Page, name: str) -> None:
    found = Axe().run(page, options=AS_IT_IS).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in grave] == [], name


def look_narrowly(page: Page, name: str) -> None:
    """Everybody can use it where there is least room: at the staff's desk, axe takes its time."""
    for size in fits(page, name):
        if size == "narrow":
            usable(page, name)


def nano(text: str) -> int:
    """Of a sum as the pages write it."""
    return int(Decimal(text.replace("$", "").replace(",", "")) * USD)


def sign_up(platform: Platform, page: Page, desk: Desk, client: stripe.StripeClient) -> Person:
    page.goto(f"{platform.base_url}/accounts/signup/")
    page.get_by_label("Email").fill("payer@example.com")
    page.get_by_label("Password", exact=True).fill("a moon over the forest")
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/a/payer/")
    page.get_by_role("button", name="Make your first key").click()
    secret = page.locator("#issued-secret").inner_text()
    account_id = desk.call(errands.account_of, "payer")
    return Person(
        page, f"{platform.base_url}/a/payer/billing/", Payer(desk, account_id), Key("", secret, account_id), client
    )


def subscribe(person: Person) -> None:
    page = person.page
    page.goto(person.billing)
    person.look("1-no-plan")
    page.get_by_role("button", name="Subscribe to Pro").click()
    expect(page.get_by_role("button", name="Subscribe")).to_be_visible()
    person.look("2-checkout")
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_url("**/billing/")
    expect(page.get_by_text("Thank you. This account has Pro now.")).to_be_visible()
    person.look("3-subscribed")


def use_more_than_is_included(platform: Platform, person: Person) -> None:
    wait_for(lambda: spend(platform, person.key) == 200)
    assert [spend(platform, person.key) for _ in range(3)] == [200, 200, 429]  # 48 of 25 and 25 that may be owed
    person.agree()
    assert person.shown()["available"] == -23 * USD

    desk = person.payer.desk
    desk.call(services.bill_overage)
    person.agree()
    assert person.shown()["metered"] == 23 * USD
    for part, sums in (("included use spent", "$25.00 of $25.00"), ("used beyond credit", "$23.00 of $25.00")):
        expect(person.page.get_by_role("paragraph").filter(has_text=part)).to_contain_text(sums)
    expect(person.page.get_by_role("progressbar")).to_have_count(2)
    following = person.page.get_by_role("region", name="Next invoice")
    for sum_ in ("$20.00", "$23.00", "$43.00"):
        expect(following.get_by_text(sum_)).to_be_visible()
    person.look("4-overage")


def top_up(person: Person) -> None:
    page = person.page
    page.get_by_label("US dollars").fill("30")
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("button", name="Pay $30.00")).to_be_visible()
    person.look("5-checkout-of-a-top-up")
    page.get_by_role("button", name="Pay $30.00").click()
    page.wait_for_url("**/billing/")
    expect(page.get_by_text("Thank you. The credit is there")).to_be_visible()
    person.agree()
    assert person.shown()["available"] == 7 * USD


def let_credit_add_itself(person: Person) -> None:
    """Less is left than was agreed: 25 come, at once as it were."""
    page = person.page
    page.get_by_text("Set it up").click()
    page.get_by_label("When the balance falls below").fill("40")
    page.get_by_label("Add", exact=True).fill("25")
    page.get_by_label("At most a month").fill("50")
    page.get_by_label("Charge the saved card").check()
    person.look("6-automatic-top-up-is-agreed-to")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("Automatic top-up is on")).to_be_visible()
    look_until(person.payer, lambda: person.payer.prepaid == 55 * USD)
    person.agree()
    expect(page.get_by_text("$25.00 so far")).to_be_visible()
    person.look("7-automatic-top-up-is-on")


def let_the_card_go_bad(platform: Platform, person: Person, time: EmulatorServer) -> None:
    """No credit comes by itself any more, and the next month is not paid."""
    payer = person.payer
    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    for card in person.client.v1.payment_methods.list({"customer": customer}).data:
        time.replace_card(card.id, DECLINES)
    assert spend(platform, person.key) == 200
    person.agree()
    look_until(payer, lambda: "was refused" in payer.desk.call(errands.stopped_because, payer.account_id))
    person.agree()
    expect(person.page.get_by_text("Give another card under")).to_be_visible()
    person.look("8-automatic-top-up-has-stopped")

    time.advance_time(MONTH)
    wait_for(lambda: state(payer)[1] == "past_due")
    wait_for(lambda: [one for one in letters(payer) if "did not come through" in one])
    person.agree()
    expect(person.page.get_by_text("did not come through").first).to_be_visible()
    expect(person.page.get_by_text("The payment of $43.00")).to_contain_text("calls are refused from")
    expect(person.page.get_by_role("link", name="Pay the invoice")).to_be_visible()
    person.look("9-unpaid")


def be_dunned(platform: Platform, person: Person) -> None:
    payer, page, now = person.payer, person.page, datetime.now(UTC)
    for day, tier, told in ((4, "Pro plan", "still to be paid"), (8, "Pro plan", "Nothing more may be owed")):
        payer.desk.call(services.dun, now=now + day * DAY)
        assert told in letters(payer)[0]
        assert state(payer)[3] == tier
        person.agree()
    expect(page.get_by_text("calls stop at $0.00")).to_be_visible()
    person.look("10-limited")
    payer.desk.call(services.dun, now=now + 15 * DAY)
    wait_for(lambda: spend(platform, person.key) == 403)
    person.agree()
    region = page.get_by_role("region", name="Messages")
    region.get_by_text("Calls are refused until an invoice is paid").click()
    expect(region.get_by_text("the same keys work again at once")).to_be_visible()
    person.look("11-suspended")
    person.look_from_the_desk(platform)


def pay(platform: Platform, person: Person) -> None:
    page, payer = person.page, person.payer
    page.get_by_role("link", name="Pay the invoice").click()
    expect(page.get_by_role("button", name="Pay $43.00")).to_be_visible()
    person.look("12-invoice")
    page.get_by_label("Card number").fill(DECLINES)
    page.get_by_role("button", name="Pay $43.00").click()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay $43.00").click()
    expect(page.get_by_text("paid", exact=True)).to_be_visible()
    until(payer, "pro", "active", 25)
    wait_for(lambda: spend(platform, person.key) == 200)  # the same key
    person.agree()
    assert person.shown() == {"available": 48 * USD, "prepaid": 39 * USD, "promotional": 9 * USD, "unposted": 0}
    assert "Nothing is left to be paid" in letters(payer)[0]
    expect(page.get_by_role("link", name="Pay the invoice")).to_have_count(0)
    person.look("13-paid")


def give_another_card(person: Person) -> None:
    page = person.page
    page.get_by_role("button", name="Cards and invoices").click()
    expect(page.get_by_role("heading", name="Your billing")).to_be_visible()
    person.look("14-portal")
    page.get_by_role("button", name="Save card").click()
    page.get_by_role("link", name="Return to").click()
    page.wait_for_url("**/billing/")
    automatic = page.get_by_role("region", name="Automatic top-up")
    expect(automatic).to_contain_text("Another card is kept now: turn it on again")
    person.agree()


def look_at_another_plan(person: Person) -> None:
    page = person.page
    page.get_by_role("link", name="Change to Team").click()
    expect(page.get_by_text("Charged today")).to_be_visible()
    person.look("15-change-of-plan")
    page.get_by_role("link", name="Leave it as it is").click()


def cancel(platform: Platform, person: Person, time: EmulatorServer) -> None:
    """What was used beyond credit until then is on the last invoice."""
    page, payer = person.page, person.payer
    page.get_by_role("link", name="Cancel Pro").click()
    expect(page.get_by_role("heading", name="Cancel Pro?")).to_be_visible()
    person.look("16-cancel")
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Cancel Pro").click()
    page.get_by_role("button", name="Cancel Pro").click()
    expect(page.get_by_text("then it ends")).to_be_visible()
    person.agree()
    assert [spend(platform, person.key) for _ in range(5)] == [200, 200, 200, 200, 429]
    person.agree()
    payer.desk.call(services.bill_overage)
    person.agree()
    assert person.shown()["metered"] == 16 * USD
    expect(page.get_by_role("region", name="Next invoice").get_by_text("$16.00")).to_have_count(2)
    person.look("17-ends-with-this-month")

    time.advance_time(MONTH)
    wait_for(lambda: state(payer)[:2] == ("", ""))
    person.agree()
    assert person.shown() == {"available": 0, "prepaid": 0, "promotional": 0, "unposted": 0}
    person.look("18-afterwards")


def test_from_the_first_plan_to_its_end_everybody_says_the_same(
    platform: Platform,
    desk: Desk,
    page: Page,
    dear: None,
    own_time: EmulatorServer,
    stripe_client: stripe.StripeClient,
) -> None:
    own_time.settings(dunning_days=[30], after_dunning="cancel", draft_seconds=0)
    person = sign_up(platform, page, desk, stripe_client)
    subscribe(person)
    person.agree()
    use_more_than_is_included(platform, person)
    top_up(person)
    let_credit_add_itself(person)
    let_the_card_go_bad(platform, person, own_time)
    be_dunned(platform, person)
    pay(platform, person)
    give_another_card(person)
    look_at_another_plan(person)
    cancel(platform, person, own_time)
    own = (person.payer.desk.call(errands.stripe_id_of, person.payer.account_id), "payer")
    assert not [one for one in desk.call(errands.findings_after, "SELECT 1") if any(name in one.where for name in own)]
