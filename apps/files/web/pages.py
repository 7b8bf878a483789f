"""Fetches a page that a caller names: from public addresses alone, as a document, within bounds of size and time."""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO

import aiohttp
from django.conf import settings
from yarl import URL

from apps.common import outbound
from apps.common.outbound import LookUp
from apps.files.web.addresses import allowed_url, resolved
from apps.files.web.body import PIECE, received
from apps.files.web.documents import name_of_page
from apps.files.web.errors import not_a_document, unreachable

CONNECT_SECONDS = 5.0
MOST_REDIRECTS = 5
MOST_ADDRESSES = 3  # of a name, that are tried
REDIRECTS = (301, 302, 303, 307, 308)
IN_MEMORY = 2**20
HEADERS = {
    "user-agent": "Artemis-Files/1",
    "accept": "text/html, application/xhtml+xml, application/pdf, text/*;q=0.9, */*;q=0.5",
    "accept-encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    size: int
    file: IO[bytes]

    def pieces(self) -> Iterator[bytes]:
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece


@contextlib.asynccontextmanager
async def fetched(
    address: str, *, look_up: LookUp = outbound.look_up, trusted: ssl.SSLContext | None = None
) -> AsyncIterator[Page]:
    """The page, until the block is left. Raises Invalid, with a code that begins with `url_`."""
    if trusted is None:
        trusted = await asyncio.to_thread(_usual)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        try:
            async with asyncio.timeout(settings.FILES_WEB_SECONDS):
                page = await _fetched(allowed_url(address), file, look_up, trusted)
        except TimeoutError:
            raise unreachable(f"The page did not come within {settings.FILES_WEB_SECONDS:g} seconds.") from None
        except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            raise unreachable("The page could not be read from its server.") from error
        yield page


async def _fetched(url: URL, file: IO[bytes], look_up: LookUp, trusted: ssl.SSLContext) -> Page:
    """Each way that a redirect shows is checked as the first one was."""
    options = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    cookies = aiohttp.DummyCookieJar()
    # Nothing of the environment's proxies and passwords; what comes compressed is unpacked by us, within bounds.
    async with aiohttp.ClientSession(
        timeout=options, cookie_jar=cookies, trust_env=False, auto_decompress=False
    ) as session:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await _answer(session, url, await resolved(url, look_up), trusted)
            async with answer:
                if answer.status not in REDIRECTS or "location" not in answer.headers:
                    return await _page(answer, url, file)
                url = allowed_url(answer.headers["location"], base=url)
    raise unreachable(f"The page is behind more than {MOST_REDIRECTS} redirects.")


async def _answer(
    session: aiohttp.ClientSession, url: URL, addresses: list[str], trusted: ssl.SSLContext
) -> aiohttp.ClientResponse:
    """Of the first address that takes the connection; host and certificate are still those of the name."""
    headers = {**HEADERS, "host": url.host_port_subcomponent or ""}
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return await session.get(
                url.with_host(address.partition("%")[0]),
                headers=headers,
                allow_redirects=False,
                ssl=trusted,
                server_hostname=url.raw_host if url.scheme == "https" else None,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
            continue
    raise unreachable("The page's server takes no connection.")


async def _page(answer: aiohttp.ClientResponse, url: URL, file: IO[bytes]) -> Page:
    if answer.status != 200:
        raise unreachable(f"The page's server answered {answer.status}.")
    name = name_of_page(answer, url)
    size = await received(answer, file, most=settings.FILES_WEB_MAX_BYTES)
    if not size:
        raise not_a_document("The page is empty.")
    return Page(name, size, file)


@cache
def _usual() -> ssl.SSLContext:
    return outbound.trusted_authorities()
