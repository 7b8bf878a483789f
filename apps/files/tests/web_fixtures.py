"""What tests of pages of the web share: a web of their own, and what became of a fetch."""

import ipaddress
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from apps.common.errors import Invalid
from apps.files.services import fetched
from apps.files.tests.web_server import Site, site

HTML = b"<h1>Moon</h1>"


@pytest.fixture
def web(settings: Settings) -> Iterator[Site]:
    settings.FILES_WEB_NETWORKS = [ipaddress.ip_network("127.0.0.1/32")]
    settings.FILES_WEB_MAX_BYTES = 2**20
    settings.FILES_WEB_SECONDS = 3
    with site() as made:
        yield made


async def content(url: str) -> tuple[str, bytes]:
    async with fetched(url) as found:
        return found.name, b"".join(found.pieces())


async def refusal(url: str) -> str:
    with pytest.raises(Invalid) as refused:
        await content(url)
    assert refused.value.param == "url"
    return refused.value.code
