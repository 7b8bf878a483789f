"""A budget that only warns, from the call that spends it to the page, the mail and the webhook; a running platform."""

import json
import time
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.alerts.tests.conftest import Receiver, receiver
from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.test_pages_in_a_browser import OVERFLOW

__all__ = ["receiver"]
pytestmark = pytest.mark.browser
BEAT_SECONDS = 60  # budgets are compared every 30, mails go out every 10, webhooks every 5


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + BEAT_SECONDS
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def mails(platform: Platform) -> str:
    return "\n".join(path.read_text() for path in (platform.home / "mail").glob("*"))


def open_settings(platform: Platform, page: Page) -> None:
    facts = platform.facts
    path = f"/a/{facts['account']}/settings/"
    sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then=path)


def test_a_budget_is_spent_and_everybody_hears_of_it(
    platform: Platform, desk: Desk, page: Page, receiver: Receiver
) -> None:
    open_settings(platform, page)
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test is on its way.")).to_be_visible()
    wait_for(lambda: receiver.got)

    key = desk.key(monthly_budget=1, budget_is_hard=False)
    client = platform.client(key.secret)
    for _ in range(2):  # the first spends all of it
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    wait_for(lambda: f"/keys/{key.public_id}/" in mails(platform))
    wait_for(lambda: any(key.public_id.encode() in body for _, body in receiver.got))

    letter = mails(platform)
    assert f"To: {platform.facts['admin_email']}" in letter and "calls go on" in letter
    told = [json.loads(body) for _, body in receiver.got]
    assert told[0]["type"] == "webhook.test"
    (about,) = (message for message in told[1:] if message["data"]["id"] == key.public_id)
    assert (about["type"], about["data"]["threshold_percent"]) == ("budget.threshold_reached", 100)
    page.reload()
    expect(page.get_by_role("table", name="Last alerts").get_by_role("row", name="Key test").first).to_contain_text(
        "100 %"
    )
    expect(page.get_by_role("row", name="Test Delivered 204")).to_be_visible()
    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.get_by_role("progressbar").first).to_be_visible()

    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    found: list[str] = []
    for path in ("settings/", "keys/", "projects/", f"keys/{key.public_id}/"):
        page.goto(f"{platform.base_url}/a/{platform.facts['account']}/{path}")
        if page.evaluate(OVERFLOW) > 0:
            found.append(f"{path} is wider than the window")
        grave = ("serious", "critical")
        found += [row["id"] for row in Axe().run(page).response["violations"] if row["impact"] in grave]
    assert found == []
