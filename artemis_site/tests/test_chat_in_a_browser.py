"""A chat over a vector store in a real browser: the answer as it comes, its citations, and all that can go wrong."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.common.money import format_usd
from artemis_site.tests.browser import opened_page, sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, change_key
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.shelves import fill_store

pytestmark = pytest.mark.browser
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
QUESTION = "Who drives the chariot of the moon?"
NEXT = "And of what is it made?"
ANSWER = (
    "Selene drives ",
    "the chariot of the moon [1, 2].",
    "\n\nPoets of later times ",
    "give it to <b>Artemis</b>.",
)
OWN = ("I was taught ", "that it is made of cheese.")
WATCH = """() => {
  window.seen = [];
  const note = () => seen.push(document.querySelector("[data-text]")?.textContent);
  new MutationObserver(note).observe(document.querySelector(".turns"), {subtree: true, childList: true});
}"""
SHOTS = os.environ.get("ARTEMIS_SHOTS", "")


@pytest.fixture
def key(desk: Desk) -> Key:
    return desk.key()


@pytest.fixture
def store(platform: Platform, key: Key) -> str:
    """Its id; the key is the one that pays for it."""
    return fill_store(platform.client(key.secret))[0]


def enter(platform: Platform, page: Page, store: str) -> None:
    then = f"/a/{platform.facts['account']}/knowledge/{store}/chat/"
    email, password = platform.facts["admin_email"], platform.facts["admin_password"]
    sign_in(page, platform.base_url, email=email, password=password, then=then)
    page.get_by_label("Model").select_option(MODEL)


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_label("Question").fill(question)
    page.keyboard.press("Enter")


def script(platform: Platform, **chat: Any) -> None:
    """Of the next turn: the search's request is answered well, the model's as is said."""
    platform.primary.script(match=QUESTION, times=1)
    platform.primary.script(match=QUESTION, **chat)


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def test_an_answer_comes_by_and_by_and_says_where_it_has_it_from(
    platform: Platform, desk: Desk, page: Page, key: Key, store: str
) -> None:
    platform.primary.script(match=QUESTION, texts=ANSWER, tokens_per_second=4)
    enter(platform, page, store)
    page.evaluate(WATCH)
    ask(page)
    turn = page.get_by_role("list", name="Turns").get_by_role("listitem").first
    expect(page.get_by_label("Question")).to_be_focused()

    chip = turn.get_by_role("button", name=re.compile(r"^Source 1: myths-of-the-greeks\.md"))
    expect(chip).to_be_visible()
    expect(turn.locator("[data-text] p")).to_have_count(2)
    shown = [text for text in page.evaluate("seen") if text and "".join(ANSWER).startswith(text)]
    assert len(set(shown)) >= 2, "it grows while one looks on"
    expect(turn).to_contain_text("give it to <b>Artemis</b>.")
    assert turn.locator("b").count() == 0
    expect(page.locator("#live")).to_contain_text("2 sources cited.")

    marked = list[str]()
    for number in (2, 1):
        turn.get_by_role("button", name=f"Source {number}: ").press("Enter")
        dialog = page.get_by_role("dialog", name=f"Source {number}: myths-of-the-greeks.md")
        expect(dialog).to_contain_text("Artemis")
        marked += dialog.locator("mark").all_text_contents()
        if number == 2:
            dialog.get_by_role("button", name="Close").click()
    assert {"Selene", "drives", "chariot", "moon"} <= set(marked)
    link = dialog.get_by_role("link", name=re.compile("Show it in the document"))
    assert re.search(r"\?at=\d+#p-\d+$", link.get_attribute("href") or "")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(chip).to_be_focused()

    expect(turn.locator("[data-used]")).to_contain_text(re.compile(r"\d+ tokens read, \d+ tokens written · \$0\.\d+"))
    turn.get_by_text("What was searched:").click()
    expect(turn.locator(".scores").first).to_contain_text("BM25")
    bill = desk.bill(key, requests=3)
    assert sorted(row.endpoint for row in bill.requests) == ["chat.completions", "embeddings", "embeddings"]
    used = turn.locator("[data-used]").text_content() or ""
    chat = max(bill.requests, key=lambda row: row.output_tokens)
    turns = [row for row in bill.requests if row.request_id.startswith(chat.request_id)]
    assert len(turns) == 2 and f"{chat.output_tokens} tokens written" in used
    assert f" · {format_usd(sum(row.cost for row in turns))}, the search included" in used


def test_the_next_question_leans_on_the_one_before(platform: Platform, page: Page, store: str) -> None:
    platform.primary.script(match=QUESTION, texts=ANSWER)
    platform.primary.script(match=NEXT, texts=OWN)
    enter(platform, page, store)
    ask(page)
    turns = page.get_by_role("list", name="Turns").get_by_role("listitem").filter(has=page.locator("h3"))
    expect(turns.nth(0)).to_contain_text("tokens written")
    ask(page, NEXT)
    expect(turns.nth(1)).to_contain_text("No passage of this store supports this answer.")
    expect(page.locator("#live")).to_contain_text("No passage supports this answer.")
    told = [request["body"] for request in platform.primary.log() if "messages" in request["body"]][-1]["messages"]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert told[1]["content"] == QUESTION and told[3]["content"] == NEXT
    assert told[2]["content"] == "".join(ANSWER).replace("[1, 2]", ""), "other passages have these numbers now"
    page.get_by_role("button", name="Begin anew").click()
    expect(turns).to_have_count(0)
    expect(page.get_by_label("Question")).to_be_focused()
    page.reload()
    expect(page.get_by_label("Model")).to_have_value(MODEL)
    ask(page)
    expect(turns.nth(0)).to_contain_text("tokens written")
    told = [request["body"] for request in platform.primary.log() if "messages" in request["body"]][-1]["messages"]
    assert [message["role"] for message in told] == ["system", "user"]


def test_whoever_stops_is_settled_at_once(platform: Platform, desk: Desk, page: Page, key: Key, store: str) -> None:
    script(platform, output_tokens=60, tokens_per_second=4, times=1)
    enter(platform, page, store)
    ask(page)
    expect(page.locator("[data-text]")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("list", name="Turns")).to_contain_text("Stopped.")
    expect(page.get_by_label("Question")).to_be_focused()
    (chat,) = [row for row in desk.bill(key, requests=3).requests if row.endpoint == "chat.completions"]
    assert chat.outcome == "cancelled"

    script(platform, silent=True)
    ask(page)
    expect(page.locator("[data-said]").last).to_contain_text("found")
    page.keyboard.press("Escape")
    expect(page.locator(".turn").get_by_text("Stopped.")).to_have_count(2)
    desk.bill(key, requests=5)


def test_what_goes_wrong_is_a_sentence(platform: Platform, desk: Desk, page: Page, key: Key, store: str) -> None:
    enter(platform, page, store)
    said = page.locator(".turn .notice.error")

    def fails(sentence: str) -> None:
        ask(page)
        expect(said.last).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Ask")).to_be_visible()
        page.get_by_role("button", name="Begin anew").click()

    script(platform, cut_after=2)
    for engine in (platform.second, platform.claude):
        engine.script(cut_after=2)
    fails("stopped before the answer was complete")
    platform.reset_engines()
    page.get_by_label("Model").select_option("moon-small")
    script(platform, status=500)
    fails("try again")
    platform.reset_engines()
    desk.call(change_key, key, {"allowed_endpoints": ("embeddings", "vector_stores")})
    fails("may not call chat.completions")
    desk.call(change_key, key, {"monthly_budget": 1})
    fails("budget")
    page.route("**/ask/", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>Welcome</p>"))
    fails("Something went wrong; try again.")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, True)], ids=["light", "dark", "narrow"])
def test_everybody_can_use_it(platform: Platform, store: str, width: int, dark: bool) -> None:
    platform.primary.script(match=QUESTION, texts=ANSWER)
    platform.primary.script(match=NEXT, texts=OWN)
    found: list[str] = []

    def look(page: Page, name: str) -> None:
        shoot(page, f"{name}-{width}-{'dark' if dark else 'light'}")
        if page.evaluate(OVERFLOW) > 0:
            found.append(f"{name} is wider than the window")
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found.append(f"{name}: {violation['id']}: {violation['nodes'][0]['html'][:120]}")

    with opened_page(width=width, dark=dark) as page:
        enter(platform, page, store)
        look(page, "chat-empty")
        ask(page)
        expect(page.locator("[data-used]")).to_contain_text("$")
        look(page, "chat-answered")
        page.get_by_text("What was searched:").click()
        look(page, "chat-searched")
        page.get_by_role("button", name=re.compile("^Source 1")).click()
        look(page, "chat-cited")
        page.keyboard.press("Escape")
        ask(page, NEXT)
        expect(page.locator("[data-used]").last).to_contain_text("$")
        look(page, "chat-unsupported")
    assert found == []
