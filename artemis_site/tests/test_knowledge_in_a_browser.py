"""A vector store in a real browser: made, filled while one looks on, searched, read, emptied; and what is refused."""

import os
import re
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import FilePayload, Page, expect

from apps.gateway.services import RECENT_SECONDS
from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import change_key, revoke_key
from artemis_site.tests.platform import EMBEDDING_MODEL, Platform
from artemis_site.tests.shelves import MYTHS, SCAN, fill_store

pytestmark = pytest.mark.browser
MYTH: FilePayload = {"name": "myths.md", "mimeType": "text/markdown", "buffer": MYTHS.encode()}
NO_TEXT: FilePayload = {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": SCAN}
DROP = """(form) => {
  const held = new DataTransfer();
  for (const name of ["one.txt", "two.txt"]) held.items.add(new File(["Text of " + name], name));
  for (const kind of ["dragover", "drop"])
    form.querySelector("label").dispatchEvent(new DragEvent(kind, {dataTransfer: held, bubbles: true}));
}"""


def enter(platform: Platform, page: Page, path: str = "") -> str:
    """The address of the account's stores."""
    then = f"/a/{platform.facts['account']}/knowledge/"
    email, password = platform.facts["admin_email"], platform.facts["admin_password"]
    sign_in(page, platform.base_url, email=email, password=password, then=then)
    return platform.base_url + then


def test_from_a_file_to_the_passage_that_answers(platform: Platform, desk: Desk, page: Page) -> None:
    key = desk.key()
    enter(platform, page)
    page.get_by_role("link", name="New store").first.click()
    page.get_by_label("Name", exact=True).fill("Myths")
    page.get_by_label("Key that pays").select_option(key.public_id)
    page.get_by_label("Embedding model").select_option(EMBEDDING_MODEL)
    page.get_by_label("Expires after days").fill("7")
    page.get_by_role("button", name="Make the store").click()
    expect(page.get_by_role("heading", name="Myths")).to_be_visible()

    page.get_by_label("Choose files").set_input_files([MYTH, NO_TEXT])
    expect(page.locator("[data-chosen]")).to_have_text("myths.md, scan.pdf")
    page.get_by_role("button", name="Upload and read").click()
    files = page.get_by_role("region", name="Files, table")
    expect(page.get_by_text("2 files are being read.")).to_be_visible()
    expect(files.get_by_role("row", name="myths.md")).to_contain_text("Ready", timeout=30_000)  # nobody loads the page
    expect(files.get_by_role("row", name="scan.pdf")).to_contain_text("This is not text", timeout=30_000)
    expect(page.locator("#live")).to_have_text("1 of 2 files ready, 1 failed")
    expect(page.locator("#store-facts")).to_contain_text("1 ready")
    assert page.locator("[data-poll]").count() == 0, "nothing is left to ask for"

    page.get_by_role("main").get_by_role("link", name="Search").click()
    page.get_by_label("Question").fill("Who drives the chariots?")
    page.get_by_label("What counts").select_option("words")
    page.keyboard.press("Enter")
    hit = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="myths.md"))
    expect(hit.locator("mark").first).to_have_text("drives")
    expect(hit).to_contain_text("<b>Actaeon</b>")
    hit.get_by_role("link", name="myths.md").click()
    expect(page.locator(".passages > li:target")).to_contain_text("Selene drives the chariot")
    assert re.search(r"\?at=\d+#p-\d+$", page.url)
    assert desk.bill(key, requests=2).cost > 0, "one for the document, one for the question"

    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("row", name="myths.md")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("“Myths” is deleted.")).to_be_visible()


def test_files_are_dropped(platform: Platform, desk: Desk, page: Page) -> None:
    store = platform.client().vector_stores.create(name="Dropped")
    page.goto(f"{enter(platform, page)}{store.id}/")
    page.locator("[data-drop]").evaluate(DROP)
    expect(page.locator("[data-chosen]")).to_have_text("one.txt, two.txt")
    page.get_by_role("button", name="Upload and read").click()
    expect(page.get_by_role("row", name="two.txt")).to_contain_text("Ready", timeout=30_000)


def test_a_refusal_is_a_sentence(platform: Platform, desk: Desk, page: Page) -> None:
    key = desk.key()
    store, _ = fill_store(platform.client(key.secret))
    path = f"{enter(platform, page)}{store}/search/?q=moon"
    said = page.get_by_role("alert")

    def ask(sentence: str) -> None:
        answer = page.goto(path)
        assert answer and answer.status == 200
        expect(said).to_contain_text(sentence)

    platform.primary.script(status=500, times=20)
    ask("try again")
    platform.reset_engines()
    desk.call(change_key, key, {"monthly_budget": 1})
    ask("budget")
    desk.call(change_key, key, {"ip_allow_list": ("203.0.113.0/24",)})
    ask("may not be used from this address")
    desk.call(change_key, key, {"allowed_models": ("moon",)})
    time.sleep(RECENT_SECONDS)  # what a refusal goes by may be so old
    ask("may not use the model")
    desk.call(revoke_key, key)
    ask("not valid")
    page.goto(path.partition("search")[0])
    expect(page.get_by_text("is revoked: nothing is read or searched with it")).to_be_visible()


def test_the_documentations_example_runs_as_it_stands(platform: Platform, desk: Desk, tmp_path: Path) -> None:
    page = httpx.get(f"{platform.base_url}/docs/knowledge/").text
    (text,) = re.findall(r'data-runs="python">(.*?)</code>', page, re.DOTALL)
    (tmp_path / "manual.md").write_text("# Resetting\n\nHold the button for ten seconds to reset it.\n")
    done = subprocess.run(
        [sys.executable, "-c", unescape(re.sub(r"<[^>]+>", "", text))],
        env={**os.environ, "OPENAI_API_KEY": desk.key().secret},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "manual.md" in done.stdout and "ten seconds" in done.stdout
