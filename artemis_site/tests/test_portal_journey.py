"""A newcomer's first minute, in a real browser: sign up, make a key, call the API, see the use."""

from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_from_sign_up_to_the_first_call_on_the_bill(platform: Any, page: Page) -> None:
    page.goto(platform.base_url)
    page.get_by_role("link", name="Make your first call").click()
    page.get_by_label("Email").fill("newcomer@example.com")
    page.get_by_label("Password", exact=True).fill("a moon over the forest")
    page.get_by_role("main").get_by_role("button", name="Sign up").click()

    page.wait_for_url("**/a/newcomer/")
    expect(page.get_by_text("Listening for your first call")).to_be_visible()
    page.get_by_role("button", name="Make your first key").click()
    expect(page.get_by_role("heading", name="Your key is ready.")).to_be_visible()
    key = page.locator("#issued-secret").inner_text()
    assert key.startswith("sk-art-")
    snippet = page.locator("#first-python-code").text_content() or ""
    assert key in snippet
    model = snippet.split('model="')[1].split('"')[0]

    client = OpenAI(base_url=f"{platform.base_url}/v1", api_key=key, max_retries=0)
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    assert answer.usage

    expect(page.get_by_text("Your first call has arrived.")).to_be_visible(timeout=15_000)
    counts = f"{answer.usage.prompt_tokens:,} / {answer.usage.completion_tokens:,}"
    expect(page.locator("#today").get_by_text(counts)).to_be_visible()
    expect(page.locator("#issued-secret")).to_have_text(key)

    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.get_by_role("row", name="First key")).to_contain_text("Active")
    assert key not in page.content()

    page.get_by_role("link", name="Usage", exact=True).click()
    requests = page.get_by_role("region", name="Requests, table")
    expect(requests.get_by_role("row", name=model)).to_contain_text("Completed")
    page.get_by_label("Group by").select_option("key")
    page.wait_for_url("**group=key**")
    expect(page.get_by_role("heading", name="Cost by key")).to_be_visible()
