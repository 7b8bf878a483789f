"""Where no page is fetched from, however it is written, whoever leads there and whatever a name says next time."""

import ipaddress
import itertools
import ssl
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from apps.common.errors import Invalid
from apps.common.outbound import look_up
from apps.common.tests.certificates import certify
from apps.files.services import fetched
from apps.files.tests.web_fixtures import HTML, content, refusal, web
from apps.files.tests.web_server import Site, page, redirect, site

__all__ = ["web"]
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


async def test_hosts_that_are_not_there(web: Site) -> None:
    assert await refusal("http://absent.invalid/") == "url_unreachable"
    assert await refusal("http://127.0.0.1:1/") == "url_unreachable"
    assert await look_up("127.1", 80) == ["127.0.0.1"]  # so the check must be of the answer, never of the text
    assert web.got == []
