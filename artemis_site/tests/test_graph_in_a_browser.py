"""The graph of a vector store in a real browser: built while one looks on, drawn, walked, merged, undone, deleted."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from artemis_site.tests.browser import opened_page, sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import EMBEDDING_MODEL, MODEL, Platform

pytestmark = pytest.mark.browser
LIVES = """# Radium

Marie Curie was born in Warsaw. Marie Curie married Pierre Curie in Paris. Pierre Curie taught at the Sorbonne.

# Prizes

Marie Curie received the Nobel Prize in Stockholm. Curie founded the Radium Institute in Paris.

# Others

Ernest Rutherford worked at the University of Manchester. Hans Geiger worked with Ernest Rutherford in Manchester.
Niels Bohr visited Ernest Rutherford in Manchester. Niels Bohr was born in Copenhagen.
Later Bohr taught in Copenhagen.
"""
SERIOUS = ("serious", "critical")


def enter(platform: Platform, page: Page, store: str) -> str:
    then = f"/a/{platform.facts['account']}/knowledge/{store}/graph/"
    email, password = platform.facts["admin_email"], platform.facts["admin_password"]
    sign_in(page, platform.base_url, email=email, password=password, then=then)
    return platform.base_url + then


@pytest.fixture
def store(platform: Platform, desk: Desk) -> str:
    client = platform.client(desk.key().secret)
    made = client.vector_stores.create(name="Lives", extra_body={"embedding_model": EMBEDDING_MODEL})
    file = client.files.create(file=("lives.md", LIVES.encode()), purpose="assistants")
    read = client.vector_stores.files.create_and_poll(file.id, vector_store_id=made.id, poll_interval_ms=200)
    assert read.status == "completed", read.last_error
    return made.id


def looked_at(page: Page, name: str) -> None:
    """Nothing overflows, and axe finds nothing serious. Kept as a picture where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]
    assert not found, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def test_a_graph_is_built_walked_and_undone(platform: Platform, page: Page, store: str) -> None:
    address = enter(platform, page, store)
    estimate = page.locator("#graph-estimate")
    expect(estimate).to_contain_text("none")
    page.get_by_label("Names and relations are found by").select_option(MODEL)
    expect(estimate).to_contain_text("at most $")
    page.get_by_label("Names and relations are found by").select_option("offline")
    page.get_by_role("button", name="Build it").click()
    expect(page.get_by_role("heading", name="Up to date")).to_be_visible(timeout=60_000)

    page.goto(address)
    table = page.get_by_role("region", name="Entities, table")
    expect(table.get_by_role("row", name="Marie Curie")).to_contain_text("person")
    drawn = page.locator("[data-drawn]")
    expect(drawn).to_be_visible()
    assert int(drawn.get_attribute("data-drawn") or 0) >= 6
    drawn.evaluate("(frame) => frame.graph.nodes('[label = \"Ernest Rutherford\"]').emit('tap')")
    beside = page.locator("#beside")
    expect(beside.get_by_role("heading", name="Ernest Rutherford")).to_be_visible()
    expect(beside).to_contain_text("Manchester")
    beside.get_by_role("link", name="All that is known").click()
    expect(page.get_by_role("heading", name="Ernest Rutherford")).to_be_visible()
    expect(page.locator(".passages")).to_contain_text("Niels Bohr visited")
    page.locator(".statements a.said").first.click()
    expect(page.get_by_role("heading", name="Passages that state it")).to_be_visible()

    page.goto(address)
    page.get_by_label("From", exact=True).fill("Niels Bohr")
    page.get_by_label("To", exact=True).fill("Hans Geiger")
    page.get_by_role("button", name="Find the way").click()
    expect(page.locator(".way")).to_contain_text("Ernest Rutherford")

    page.goto(address)
    merged = page.get_by_role("region", name="Entities taken for one, table")
    expect(merged.get_by_role("row", name="Bohr")).to_contain_text("Niels Bohr")
    merged.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("are two again, and stay so.")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete the graph").click()
    expect(page.get_by_role("heading", name="Build the graph")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)], ids=["wide and light", "narrow and dark"])
def test_its_pages_can_be_read_by_everybody(platform: Platform, desk: Desk, store: str, width: int, dark: bool) -> None:
    with opened_page(width=width, height=900, dark=dark) as page:
        address = enter(platform, page, store)
        expect(page.locator("#graph-estimate dl")).to_be_visible()
        looked_at(page, f"graph-none-{width}")
        page.get_by_role("button", name="Build it").click()
        expect(page.get_by_role("heading", name="Up to date")).to_be_visible(timeout=60_000)
        page.goto(address)
        expect(page.locator("[data-drawn]")).to_be_visible()
        page.locator("[data-drawn]").evaluate("(frame) => frame.graph.nodes('[label = \"Marie Curie\"]').emit('tap')")
        expect(page.locator("#beside h3")).to_be_visible()
        page.wait_for_timeout(800)  # the picture comes to rest
        looked_at(page, f"graph-{width}")
        page.get_by_role("region", name="Entities, table").get_by_role("link", name="Marie Curie").click()
        looked_at(page, f"entity-{width}")
        page.locator(".statements a.said").first.click()
        looked_at(page, f"relation-{width}")
        page.goto(f"{address}path/?from=Marie+Curie&to=Paris")
        looked_at(page, f"path-{width}")
        page.goto(f"{address}delete/")
        looked_at(page, f"graph-delete-{width}")
