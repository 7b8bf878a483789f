"""The API's pages and the staff desk in a real browser, under the strict policy."""

import pytest
from playwright.sync_api import Page, expect

from artemis_site.tests.platform import Platform

pytestmark = pytest.mark.browser


def test_the_reference_shows_both_apis(platform: Platform, page: Page) -> None:
    page.goto(f"{platform.base_url}/api/v1/docs")
    expect(page.get_by_text("/api/v1/accounts/{slug}/keys", exact=True).first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("/v1/chat/completions", exact=True).first).to_be_visible()


def test_the_reference_can_be_tried_out_with_a_session(platform: Platform, signed_in: Page) -> None:
    signed_in.goto(f"{platform.base_url}/api/v1/docs")
    operation = signed_in.locator("#operations-projects-create_project")
    operation.locator(".opblock-summary-control").click(timeout=20_000)
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("textbox").first.fill(platform.facts["account"])
    operation.locator("textarea").fill('{"name": "From the reference"}')
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status")).to_contain_text("201")


def test_the_staff_desk_works_under_the_policy(platform: Platform, signed_in: Page) -> None:
    page = signed_in
    expect(page.get_by_role("heading", name="What would you like to look at?")).to_be_visible()
    for path in (
        *("accounts/account/", "accounts/account/add/", "accounts/user/", "keys/apikey/", "usage/usageevent/"),
        *("catalog/aimodel/", "catalog/aimodel/add/", "catalog/deployment/add/", "catalog/routingpolicy/"),
    ):
        page.goto(f"{platform.base_url}/admin/{path}")
        expect(page.locator("#content h1")).to_be_visible()
    page.goto(f"{platform.base_url}/admin/catalog/aimodel/")
    page.get_by_role("link", name="moon", exact=True).first.click()
    page.locator("#prices-2-group .add-row a").click()
    expect(page.locator("#prices-2-0")).to_be_visible()
    page.goto(f"{platform.base_url}/admin/keys/apikey/")
    page.locator("input.action-select").first.check()
    page.get_by_label("Action:").select_option("disable")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    page.get_by_role("link", name="No, take me back").click()
    expect(page.locator("#result_list")).to_be_visible()
