"""The usage page in a real browser: a chart by each dimension, its CSV, and from a share to what it is made of."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import use
from artemis_site.tests.platform import MODEL, SMALL_MODEL, Platform

pytestmark = pytest.mark.browser


def rows_of(page: Page, name: str) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    return list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))


def test_use_is_cut_apart_and_followed(platform: Platform, desk: Desk, page: Page) -> None:
    key = desk.key()
    now = datetime.now(UTC)
    models = (MODEL, SMALL_MODEL)
    costs = [10**9 + number for number in range(8)]
    desk.call(
        use,
        key,
        [
            {"started_at": (now - timedelta(days=number // 2)).isoformat(), "model": models[number % 2], "cost": cost}
            for number, cost in enumerate(costs)
        ],
    )
    path = f"/a/{platform.facts['account']}/usage/"
    email, password = platform.facts["admin_email"], platform.facts["admin_password"]
    sign_in(page, platform.base_url, email=email, password=password, then=path)
    page.goto(f"{platform.base_url}{path}?period=7d&key={key.public_id}")
    expect(page.locator("#chart-title")).to_have_text("Cost by model")
    expect(page.locator(".chart canvas")).to_be_visible()
    for group, groups in (("Key", 1), ("Project", 1), ("Day", 0), ("Model", 2)):
        page.get_by_label("Group by").select_option(group)
        expect(page.locator("#chart-title")).to_have_text(f"Cost by {group.lower()}")
        rows = rows_of(page, f"Cost by {group.lower()} as CSV")
        assert sum(Decimal(row["cost_usd"]) for row in rows) * 10**9 == sum(costs)
        assert len({row.get(group.lower()) for row in rows} - {None}) == groups
    page.get_by_role("rowheader", name=SMALL_MODEL).get_by_role("link").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(SMALL_MODEL)
    requests = rows_of(page, "Requests as CSV")
    assert {row["model"] for row in requests} == {SMALL_MODEL}
    assert sum(Decimal(row["cost_usd"]) for row in requests) * 10**9 == sum(costs[1::2])
