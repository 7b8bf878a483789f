"""The desk's pages of money and of knowledge, wide and narrow: nothing overflows, axe finds nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from artemis_site.tests import errands
from artemis_site.tests.browser import opened_page, sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.shelves import fill_store
from artemis_site.tests.test_pages_in_a_browser import OVERFLOW

pytestmark = pytest.mark.browser
AS_IT_IS = {"preload": False}  # axe would read the admin's stylesheets anew, and put them into the page


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)], ids=["wide and light", "narrow and dark"])
def test_its_pages_fit_and_can_be_used_by_everybody(platform: Platform, desk: Desk, width: int, dark: bool) -> None:
    facts = platform.facts
    platform.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    account_id = desk.key().account_id
    desk.call(errands.posted, account_id)
    run = desk.call(errands.reconciled)
    fill_store(platform.client())
    found: list[str] = []
    with opened_page(width=width, dark=dark) as page:
        email, password = facts["admin_email"], facts["admin_password"]
        sign_in(page, platform.base_url, email=email, password=password, then="/admin/")
        for path in (
            "/admin/finance/",
            f"/admin/money/{account_id}/",
            "/admin/billing/reconciliation/",
            f"/admin/billing/reconciliation/{run}/change/",
            "/admin/knowledge/storefile/",
            "/admin/knowledge/storefile/standing/",
            "/admin/knowledge/vectorstore/",
        ):
            answer = page.goto(platform.base_url + path)
            assert answer and answer.status == 200, path
            if page.evaluate(OVERFLOW) > 0:
                found.append(f"{path} is wider than the window")
            for violation in Axe().run(page, options=AS_IT_IS).response["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    found.append(f"{path}: {violation['id']}: {violation['nodes'][0]['html'][:120]}")
        page.goto(platform.base_url + "/admin/finance/")
        assert page.locator(".chart canvas").count() == 1, "the chart is drawn"
    assert found == [], found
