"""Pages of the web: what is fetched of them, from where, and how little a hostile server can do about it."""

import asyncio
import gzip
import ipaddress
import itertools
import ssl
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from apps.common.errors import Invalid
from apps.common.outbound import look_up
from apps.common.tests.certificates import certify
from apps.files.services import fetched
from apps.files.tests.web_server import Site, endless, page, redirect, site

HTML = b"<h1>Moon</h1>"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


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


REFUSED = [
    "", "x", "example.com/page", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1/",
    "http://", "http:///x", "http://user@example.com/", "http://user:word@example.com/",
    "http://93.184.215.14:22/", "http://93.184.215.14:8000/", "https://93.184.215.14:6379/", "http://h:99999/",
    "http://exa mple.com/", "http://example.com/\nHost: other", "http://a%2fb/", "http://[::1/",
    f"http://a/{'a' * 2000}",
    "http://127.0.0.2/", "http://127.1.1/", "http://2130706434/", "http://0x7f000002/", "http://0177.0.0.2/",
    "http://0.0.0.0/", "http://0/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/",
    "http://100.64.0.1/", "http://100.100.100.200/", "http://169.254.169.254/latest/meta-data/", "http://168.63.129.16/",
    "http://192.0.0.192/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/", "http://198.18.0.1/",
    "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.2]/", "http://[::ffff:a00:1]/", "http://[::7f00:2]/",
    "http://[fe80::1]/", "http://[fec0::1]/", "http://[fd00:ec2::254]/", "http://[64:ff9b::a00:1]/",
    "http://[64:ff9b:1::a00:1]/", "http://[2002:a00:1::]/", "http://[2001:0:a00:1::]/", "http://[ff02::1]/",
    "http://[2001:db8::1]/", "http://192.88.99.1/",
]  # fmt: skip


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("url", REFUSED)
async def test_where_nothing_is_fetched(url: str) -> None:
    assert await refusal(url) == "url_not_allowed"


async def test_a_redirect_is_followed_and_checked_as_the_first_address_was(web: Site) -> None:
    web.pages |= {"/a": redirect("/b/c", 301), "/b/c": redirect("d?x=1", 307), "/b/d?x=1": page(HTML)}
    assert await content(web.url("/a")) == ("d.html", HTML)
    with site("127.0.0.2", web.port) as private:
        private.pages["/"] = page(b"secret")
        private.pages["/secret"] = page(b"secret")
        for to in (
            private.url("/secret"),
            f"//127.0.0.2:{web.port}/secret",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:127.0.0.2]/",
            "file:///etc/passwd",
            web.url("/c").replace("//", "//user:word@"),
        ):
            web.pages["/away"] = redirect(to)
            assert await refusal(web.url("/away")) == "url_not_allowed"
        assert private.got == []


async def test_redirects_have_an_end(web: Site) -> None:
    web.pages |= {f"/{number}": redirect(f"/{number + 1}") for number in range(10)}
    web.pages["/5"] = page(HTML)
    assert await content(web.url("/0")) == ("5.html", HTML)
    web.pages["/5"] = redirect("/6")
    assert await refusal(web.url("/0")) == "url_unreachable"
    assert len(web.got) == 12


async def test_a_name_is_resolved_once_and_what_was_checked_is_called(web: Site) -> None:
    answers = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return next(answers)

    web.pages["/"] = page(HTML)
    with site("127.0.0.2", web.port) as private:
        private.pages["/"] = page(b"secret")
        url = f"http://rebinding.example:{web.port}/"
        async with fetched(url, look_up=rebinding) as found:
            assert b"".join(found.pieces()) == HTML
        assert asked == [("rebinding.example", web.port)]
        assert web.got[0][1]["host"] == f"rebinding.example:{web.port}"
        with pytest.raises(Invalid) as refused:  # by now it points elsewhere
            async with fetched(url, look_up=rebinding):
                pass
        assert refused.value.code == "url_not_allowed"
        assert private.got == []


@pytest.mark.parametrize(
    ("named", "is_trusted"), [("moon.example", True), ("sun.example", True), ("moon.example", False)]
)
@pytest.mark.usefixtures("web")
async def test_the_certificate_must_be_that_of_the_name_though_the_address_is_called(
    tmp_path: Path, named: str, is_trusted: bool
) -> None:
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    server = certify(tmp_path, named)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem")) if is_trusted else None
    with site(secure=server) as secure:
        secure.pages["/"] = page(HTML)
        url = f"https://moon.example:{secure.port}/"
        if named == "moon.example" and is_trusted:
            async with fetched(url, look_up=here, trusted=trusted) as found:
                assert b"".join(found.pieces()) == HTML
            assert secure.got[0][1]["host"] == f"moon.example:{secure.port}"
        else:
            with pytest.raises(Invalid) as refused:
                async with fetched(url, look_up=here, trusted=trusted):
                    pass
            assert (refused.value.code, secure.got) == ("url_unreachable", [])


async def test_every_address_of_a_name_must_be_allowed(web: Site) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    with pytest.raises(Invalid) as refused:
        async with fetched(web.url("/"), look_up=both):
            pass
    assert refused.value.code == "url_not_allowed"
    assert web.got == []


async def test_the_next_address_is_tried_where_one_takes_no_connection(web: Site, settings: Settings) -> None:
    settings.FILES_WEB_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]

    async def two(host: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.1"]

    web.pages["/"] = page(HTML)
    async with fetched(f"http://two.example:{web.port}/", look_up=two) as found:
        assert found.size == len(HTML)


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
    [(gzip.compress(HTML * 99)[:-30], "gzip"), (b"nonsense", "gzip"), (HTML, "br"), (HTML, "gzip, gzip")],
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


async def test_hosts_that_are_not_there(web: Site) -> None:
    assert await refusal("http://absent.invalid/") == "url_unreachable"
    assert await refusal("http://127.0.0.1:1/") == "url_unreachable"
    assert await look_up("127.1", 80) == ["127.0.0.1"]  # so the check must be of the answer, never of the text
    assert web.got == []
