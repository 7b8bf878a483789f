"""What callers ask and are answered is logged where their account wants it, in every dialect, and nowhere else."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.prompts.contracts import Part
from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key, log_prompts, logged_prompt, make_account
from artemis_site.tests.messages import client_of, numbered
from artemis_site.tests.platform import CLAUDE, EMBEDDING_MODEL, MODEL, Platform

MARK = "a-word-that-no-log-has"
SECRET = "sk-proj-abcdefghijklmnopqrstuv"
ASKED = f"Tell me of {MARK}: I am jane@example.com, my key is {SECRET}."
KEPT = f"Tell me of {MARK}: I am [email], my key is [redacted]."
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": ASKED}], "max_tokens": 4}
SIGHTS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((360, "dark"), (1280, "light"))
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def account(desk: Desk) -> str:
    """A new one, which wants its prompts logged for a week."""
    slug = desk.call(make_account, f"Remembers {time.monotonic_ns()}")
    desk.call(log_prompts, slug, 7)
    return slug


@pytest.fixture
def key(desk: Desk, account: str) -> Key:
    return desk.key(account=account)


def chat(platform: Platform, key: Key, stream: bool, **fields: Any) -> None:
    answer = platform.client(key.secret).chat.completions.create(**{"model": MODEL, "stream": stream, **CHAT, **fields})
    if stream:
        list(answer)


def complete(platform: Platform, key: Key, stream: bool) -> None:
    client = platform.client(key.secret)
    answer = client.completions.create(model=MODEL, prompt=ASKED, max_tokens=4, stream=stream)
    if stream:
        list(answer)


def respond(platform: Platform, key: Key, stream: bool) -> None:
    client = platform.client(key.secret)
    answer = client.responses.create(model=MODEL, input=ASKED, max_output_tokens=4, stream=stream)
    if stream:
        list(answer)


def message(platform: Platform, key: Key, stream: bool, model: str = MODEL) -> None:
    asked: Any = {"model": model, "messages": CHAT["messages"], "max_tokens": 4}
    with client_of(platform, key.secret) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                events.until_done()
        else:
            client.messages.create(**asked)


def of_claude(platform: Platform, key: Key, stream: bool) -> None:
    message(platform, key, stream, CLAUDE)


def logged(desk: Desk, key: Key, *, requests: int = 1, seconds: float = 15) -> Any:
    """The conversation of the key's only or newest request, once it is there."""
    request_id = desk.bill(key, requests=requests).requests[0].request_id
    deadline = time.monotonic() + seconds
    while True:
        found = desk.call(logged_prompt, key.account_id, request_id)
        if found:
            return found.conversation
        assert time.monotonic() < deadline, "nothing was logged"
        time.sleep(0.1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask", [chat, complete, respond, message, of_claude], ids=lambda ask: ask.__name__)
def test_each_dialect_is_logged_redacted(
    platform: Platform, desk: Desk, key: Key, ask: Callable[[Platform, Key, bool], None], stream: bool
) -> None:
    ask(platform, key, stream)
    found = logged(desk, key)
    assert found.asked == [Part("user", "text", KEPT)]
    assert "".join(part.text for part in found.answered).strip() == numbered(4)
    assert {part.role for part in found.answered} == {"assistant"}


def test_an_answer_that_goes_on_elsewhere_is_logged_as_one(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(match=MARK, cut_after=3)
    chat(platform, key, stream=True)
    assert "".join(part.text for part in logged(desk, key).answered) == numbered(4)


def test_a_call_that_fails_is_logged_with_what_was_asked(platform: Platform, desk: Desk, key: Key) -> None:
    for engine in (platform.primary, platform.second, platform.claude):
        engine.script(match=MARK, status=400)
    with pytest.raises(openai.APIStatusError):
        chat(platform, key, stream=False)
    found = logged(desk, key)
    assert (found.asked, found.answered) == ([Part("user", "text", KEPT)], [])


def test_what_is_not_to_be_stored_or_is_no_conversation_is_not_logged(platform: Platform, desk: Desk, key: Key) -> None:
    chat(platform, key, stream=False, store=False)
    chat(platform, key, stream=True, store=False)
    client = platform.client(key.secret)
    client.responses.create(model=MODEL, input=ASKED, max_output_tokens=4, store=False)
    client.embeddings.create(model=EMBEDDING_MODEL, input=ASKED)
    chat(platform, key, stream=False)  # it comes through the same queue, after them
    logged(desk, key, requests=5)
    kept = [desk.call(logged_prompt, key.account_id, row.request_id) for row in desk.bill(key, requests=5).requests]
    assert [one is not None for one in kept] == [True, False, False, False, False]


def test_without_consent_nothing_is_kept_and_no_log_ever_has_it(platform: Platform, desk: Desk, key: Key) -> None:
    slug = desk.call(make_account, f"Forgets {time.monotonic_ns()}")
    silent = desk.key(account=slug)
    for ask in (chat, respond, message):
        ask(platform, silent, False)
    chat(platform, key, stream=False)
    logged(desk, key)
    for row in desk.bill(silent, requests=3).requests:
        assert desk.call(logged_prompt, silent.account_id, row.request_id) is None
        assert desk.call(logged_prompt, key.account_id, row.request_id) is None
    assert MARK not in platform.logs() and SECRET not in platform.logs()


def test_it_is_turned_off_for_the_next_call(platform: Platform, desk: Desk, key: Key, account: str) -> None:
    chat(platform, key, stream=False)
    logged(desk, key)
    desk.call(log_prompts, account, None)
    chat(platform, key, stream=False)
    newest, oldest = desk.bill(key, requests=2).requests
    time.sleep(3)  # a worker looks every two seconds
    assert desk.call(logged_prompt, key.account_id, oldest.request_id)
    assert desk.call(logged_prompt, key.account_id, newest.request_id) is None


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("ARTEMIS_SHOTS"):
        page.screenshot(path=Path(folder) / f"prompts-{name}.png", full_page=True)


@pytest.fixture
def own_account(platform: Platform, desk: Desk) -> Iterator[str]:
    """The administrator's, as it was afterwards."""
    slug: str = platform.facts["account"]
    yield slug
    desk.call(log_prompts, slug, None)


@pytest.mark.browser
def test_from_the_switch_to_the_conversation_in_a_browser(
    platform: Platform, desk: Desk, page: Page, own_account: str
) -> None:
    facts, path = platform.facts, f"/a/{own_account}/settings/"
    sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then=path)
    card = page.get_by_role("region", name="Prompt log")
    expect(card.locator(".badge")).to_have_text("Off")
    card.get_by_label("Keep what is asked and answered for").select_option("7 days")
    card.get_by_role("button", name="Save the prompt log").click()
    expect(card.locator(".badge")).to_have_text("On")
    key = desk.key()
    tools: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "sea"}'}}
    past: Any = [
        {"role": "system", "content": "You are a guide to the moon.\nAnswer briefly."},
        {"role": "user", "content": "What is in the sea of tranquillity?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Basalt, and footprints."},
    ]
    chat(platform, key, stream=True, messages=[*past, *CHAT["messages"]], tools=tools, max_tokens=40)
    logged(desk, key)
    page.goto(f"{platform.base_url}/a/{own_account}/usage/?key={key.public_id}")
    page.get_by_role("region", name="Requests, table").get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Asked")).to_contain_text(KEPT)
    expect(page.get_by_role("region", name="Asked")).to_contain_text("Calls look_up")
    expect(page.get_by_role("region", name="Answered")).to_contain_text("fake engine token 1")
    request = page.url
    for width, scheme in SIGHTS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        for name, address in (("request", request), ("settings", platform.base_url + path)):
            page.goto(address)
            shoot(page, f"{name}-{width}")
            assert page.evaluate(OVERFLOW) <= 0
            found = Axe().run(page).response["violations"]
            assert [one for one in found if one["impact"] in ("serious", "critical")] == []
    page.goto(platform.base_url + path)
    card.get_by_text("Delete them").click()
    card.get_by_role("button", name="Delete all of them, for good").click()
    expect(page.get_by_text("All logged prompts are deleted.")).to_be_visible()
    page.goto(request)
    expect(page.get_by_role("heading", name="Not logged")).to_be_visible()
