"""Pages of the web: what is fetched of them, and how little a hostile server can do about it."""

import asyncio
import gzip
import time
import zlib

import pytest
from pytest_django.fixtures import Settings

from apps.files.tests.web_fixtures import HTML, content, refusal, web
from apps.files.tests.web_server import Site, endless, page

__all__ = ["web"]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


async def test_a_page_comes_as_it_is(web: Site) -> None:
    web.pages["/moon?a=b"] = page(HTML)
    assert await content(web.url("/moon?a=b#top")) == ("moon.html", HTML)
    [(_, headers)] = web.got
    assert headers["host"] == f"127.0.0.1:{web.port}"
    assert "cookie" not in headers
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("path", "kind", "disposition", "name"),
    [
        ("/", "text/html; charset=utf-8", "", "127.0.0.1.html"),
        ("/a/report.pdf", "application/pdf", "", "report.pdf"),
        ("/report.pdf", "application/octet-stream", "", "report.pdf"),
        ("/gr%C3%B6%C3%9Fe", "text/plain", "", "größe.txt"),
        ("/show.php", "text/html", "", "show.php.html"),
        ("/x", "application/pdf", 'attachment; filename="the report.pdf"', "the report.pdf"),
        ("/x", "text/plain", "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.md", "größe.md"),
        ("/feed", "application/atom+xml", "", "feed.txt"),
        ("/data", "application/json", "", "data.json"),
        ("/a", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "", "a.docx"),
    ],
)
async def test_names(web: Site, path: str, kind: str, disposition: str, name: str) -> None:
    more = {"Content_Disposition": disposition} if disposition else {}
    web.pages[path] = page(HTML, kind=kind, **more)
    assert (await content(web.url(path)))[0] == name


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/x", "image/png"), ("/x", "image/svg+xml"), ("/x", "video/mp4"), ("/x", "application/zip"), ("/x", "text/css"),
     ("/x", "application/octet-stream"), ("/x.exe", "application/octet-stream"), ("/x", ""), ("/x", "nonsense")],
)  # fmt: skip
async def test_what_is_no_document(web: Site, path: str, kind: str) -> None:
    web.pages[path] = page(HTML, kind=kind)
    assert await refusal(web.url(path)) == "url_not_a_document"


async def test_an_empty_page_is_no_document(web: Site) -> None:
    web.pages["/"] = page(b"")
    assert await refusal(web.url("/")) == "url_not_a_document"


async def test_a_body_has_an_end(web: Site) -> None:
    web.pages["/declared"] = page(b"", Content_Length=str(2**21))
    web.pages["/chunked"] = endless(b"10000\r\n" + b"x" * 65_536 + b"\r\n", head=CHUNKED)
    web.pages["/closing"] = endless(b"x" * 65_536, head=CLOSING)
    web.pages["/one byte more"] = page(b"x" * (2**20 + 1))
    for path in ("/declared", "/chunked", "/closing"):
        assert await refusal(web.url(path)) == "url_too_large"
    web.pages["/whole"] = page(b"x" * 2**20)
    assert len((await content(web.url("/whole")))[1]) == 2**20


async def test_a_page_may_come_packed(web: Site) -> None:
    text = b"Moon " * 100_000
    for path, packed, name in (("/g", gzip.compress(text), "gzip"), ("/z", zlib.compress(text), "deflate")):
        web.pages[path] = page(packed, Content_Encoding=name)
        assert await content(web.url(path)) == (f"{path[1:]}.html", text)


async def test_a_bomb_is_stopped_at_the_bound(web: Site) -> None:
    bomb = gzip.compress(b"\0" * 2**27)
    assert len(bomb) < 2**18  # a gigabyte would be as small
    web.pages["/"] = page(bomb, Content_Encoding="gzip")
    assert await refusal(web.url("/")) == "url_too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(gzip.compress(HTML * 99, mtime=0)[:-30], "gzip"), (b"nonsense", "gzip"), (HTML, "br"), (HTML, "gzip, gzip")],
)
async def test_a_body_that_cannot_be_read(web: Site, body: bytes, encoding: str) -> None:
    web.pages["/"] = page(body, Content_Encoding=encoding)
    assert await refusal(web.url("/")) == "url_unreachable"


async def test_a_page_that_breaks_off_is_none(web: Site) -> None:
    web.pages["/"] = page(HTML, Content_Length="500")
    assert await refusal(web.url("/")) == "url_unreachable"


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", page(HTML).replace(b"200", b"403"), page(HTML, X=("y" * 100_000))]
)
async def test_a_server_that_does_not_give_it(web: Site, answer: bytes) -> None:
    web.pages["/"] = answer
    assert await refusal(web.url("/")) == "url_unreachable"


async def test_time_is_bounded_as_a_whole_and_nobody_else_waits(web: Site, settings: Settings) -> None:
    settings.FILES_WEB_SECONDS = 1.5
    web.pages["/head"] = endless(b"X: y\r\n", head=b"HTTP/1.1 200 OK\r\n", pause=0.1)
    web.pages["/body"] = endless(b"1\r\nx\r\n", head=CHUNKED, pause=0.1)
    web.pages["/silent"] = lambda _: time.sleep(4)
    gaps = []

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    watching = asyncio.create_task(watch())
    begun = time.monotonic()
    codes = await asyncio.gather(*(refusal(web.url(path)) for path in ("/head", "/body", "/silent")))
    watching.cancel()
    assert codes == ["url_unreachable"] * 3
    assert 1.4 < time.monotonic() - begun < 3
    assert sorted(gaps)[-3] < 0.25
