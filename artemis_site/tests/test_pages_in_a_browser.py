"""Every page of the portal, wide and narrow, light and dark: nothing overflows, axe finds nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from artemis_site.tests.browser import opened_page, sign_in
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.shelves import fill_store

pytestmark = pytest.mark.browser
PUBLIC = ("/", "/docs/", "/docs/errors/", "/docs/usage/", "/docs/knowledge/", "/accounts/login/", "/accounts/signup/")
OWN = ("", "keys/", "keys/new/", "usage/", "billing/", "models/", "projects/", "members/", "settings/")
OWN += ("knowledge/", "knowledge/new/")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)], ids=["wide and light", "narrow and dark"])
def test_every_page_fits_and_can_be_used_by_everybody(platform: Platform, width: int, dark: bool) -> None:
    facts = platform.facts
    platform.client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    store, file = fill_store(platform.client())
    pages = ("", "search/", "search/?q=Who drives the moon?&key=language&value=en", f"files/{file}/", "delete/")
    pages += ("chat/", "change/", f"files/{file}/attributes/")
    found: list[str] = []
    with opened_page(width=width, dark=dark) as page:

        def look(path: str) -> None:
            answer = page.goto(platform.base_url + path)
            assert answer and answer.status == 200, path
            if page.evaluate(OVERFLOW) > 0:
                found.append(f"{path} is wider than the window")
            for violation in Axe().run(page).response["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    found.append(f"{path}: {violation['id']}: {violation['nodes'][0]['html'][:120]}")

        for path in PUBLIC:
            look(path)
        account = f"/a/{facts['account']}/"
        sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then=account)
        for path in (*OWN, *(f"knowledge/{store}/{page}" for page in pages)):
            look(account + path)
    assert found == []
