from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from playwright.sync_api import Page

from artemis_site.tests.browser import opened_page, sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import edge_before
from artemis_site.tests.errands import Key, renew_catalog
from artemis_site.tests.messages import TRANSLATED, client_of, load_engine
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import Platform
from artemis_site.tests.report import ROWS, TABLES, heard, seen, table
from deploy.edge.tests.edge import Edge
from deploy.local.ports import free_port
from inference.fake.control import FakeServer


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if ROWS:
        terminalreporter.section("faults: what the caller saw, and what was billed")
        for line in table():
            terminalreporter.write_line(line)
    for title, lines in TABLES.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["report"] = seen()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if report := getattr(node, "workeroutput", {}).get("report"):  # nothing of a worker that was killed
        heard(report)


@pytest.fixture(scope="session")
def running_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One for the whole run. Its folder is passable, so that PostgreSQL, as nobody, reaches its data."""
    home = tmp_path_factory.mktemp("platform")
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o711)
    with FakeServer("--max-running", "600") as primary, FakeServer() as second, FakeServer() as claude:
        platform = Platform(home, free_port(), primary, second, claude)
        try:
            platform.start()
            yield platform
        finally:
            platform.stop()


@pytest.fixture
def platform(running_platform: Platform, desk: Desk) -> Iterator[Platform]:
    """The running platform, its engines as good as new and, with a new catalog, the gateways' idea of them."""
    running_platform.reset_engines()
    desk.call(renew_catalog)
    yield running_platform
    running_platform.close_clients()
    running_platform.reset_engines()


@pytest.fixture(scope="session")
def desk(running_platform: Platform) -> Iterator[Desk]:
    with Desk(running_platform.environment()) as desk:
        yield desk


@pytest.fixture(scope="session")
def plane(running_platform: Platform) -> Iterator[Plane]:
    """Of the running platform, and behind the edge."""
    with Plane(running_platform) as plane:
        yield plane


@pytest.fixture(scope="session")
def edge(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """With limits that no test reaches by chance."""
    many = {"ADDRESS_RATE": "10000", "KEY_RATE": "10000", "KEY_SECONDS": "2"}
    with edge_before(plane, tmp_path_factory.mktemp("edge"), **many) as edge:
        yield edge


@pytest.fixture
def page() -> Iterator[Page]:
    with opened_page() as page:
        yield page


@pytest.fixture
def signed_in(platform: Platform, page: Page) -> Page:
    """As the administrator, at the staff's desk."""
    facts = platform.facts
    sign_in(page, platform.base_url, email=facts["admin_email"], password=facts["admin_password"], then="/admin/")
    return page


@pytest.fixture
def key(desk: Desk) -> Key:
    return desk.key()


@pytest.fixture
def anthropic_client(platform: Platform, key: Key) -> Iterator[anthropic.Anthropic]:
    with client_of(platform, key.secret) as client:
        yield client


@pytest.fixture(scope="session")
def translated(running_platform: Platform) -> str:
    """A model whose engine speaks OpenAI's chat alone: LiteLLM translates Anthropic's messages."""
    load_engine(running_platform, TRANSLATED, endpoints=["chat.completions"])
    return TRANSLATED
