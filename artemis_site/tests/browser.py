"""A real browser, in which whatever the console complains of fails the test, broken policies included."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]

SLOW = "preloaded using link preload but not used within a few seconds"  # says how busy the machine is


def chromium() -> str:
    """Its path. Without one the test is skipped, but not in CI, where that would hide it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    assert found, "CI needs Chromium"
    return found


@contextmanager
def opened_page(*, width: int = 1280, height: int = 800, dark: bool = False) -> Iterator[Page]:
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and SLOW not in message.text:
            complaints.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    assert complaints == [], complaints


def sign_in(page: Page, base_url: str, *, email: str, password: str, then: str) -> None:
    page.goto(f"{base_url}/accounts/login/?next={then}")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"**{then}")
