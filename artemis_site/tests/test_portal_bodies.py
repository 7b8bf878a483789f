"""What is sent to the portal is bounded before Django keeps it: a page, or an error of the API, says so."""

import json
from collections.abc import Iterator

import httpx
import pytest

from artemis_site.tests.platform import Platform
from artemis_site.tests.wire import exchange, request_bytes

MB = 2**20
LOGIN, UPLOAD, API = "/accounts/login/", "/a/admin/knowledge/vs_x/upload/", "/api/v1/accounts"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
CHUNKED = ("Transfer-Encoding", "chunked")


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 65_536):
        yield b"x" * 65_536


def chunked(size: int) -> bytes:
    return b"".join(b"10000\r\n" + piece + b"\r\n" for piece in pieces(size)) + b"0\r\n\r\n"


@pytest.mark.parametrize(("path", "size"), [(LOGIN, 3 * MB), ("/nowhere/", 3 * MB), (UPLOAD, 9 * MB)])
@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
def test_what_is_too_large_is_a_page(platform: Platform, path: str, size: int, is_announced: bool) -> None:
    content = b"x" * size if is_announced else pieces(size)
    answer = httpx.post(platform.base_url + path, content=content, headers=dict([FORM]), timeout=30)
    assert answer.status_code == 413
    most = "8.0" if path == UPLOAD else "2.0"
    assert "<h1>Too large</h1>" in answer.text and f"larger than {most}\xa0MB" in answer.text
    assert answer.headers["connection"] == "close" and "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
def test_the_management_api_says_it_in_its_own_form(platform: Platform, is_announced: bool) -> None:
    body, headers = (b"x" * 3 * MB, ()) if is_announced else (chunked(3 * MB), (CHUNKED,))
    answer = exchange(platform.port, request_bytes(API, body, headers=headers))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


def test_what_never_comes_is_not_waited_for(platform: Platform) -> None:
    head = request_bytes(LOGIN, headers=(FORM,)).replace(b"Content-Length: 0", b"Content-Length: 5000000000")
    assert exchange(platform.port, head, seconds=30).status == 413
    assert httpx.get(f"{platform.base_url}/healthz").status_code == 200


@pytest.mark.parametrize(("path", "size"), [(LOGIN, 2 * MB), (UPLOAD, 7 * MB), (UPLOAD, 8 * MB)])
@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "chunked"])
def test_what_is_not_too_large_reaches_its_view(platform: Platform, path: str, size: int, is_announced: bool) -> None:
    content = b"x" * size if is_announced else pieces(size)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(platform.base_url + path, content=content, headers=headers, timeout=30)
    assert answer.status_code == 403 and "<h1>Too large</h1>" not in answer.text, "a form without its token"


def test_a_wrong_length_is_no_fault_of_ours(platform: Platform) -> None:
    for length in (b"-1", b"1e9", b"\xb2"):
        head = request_bytes(LOGIN, headers=(FORM,)).replace(b"Content-Length: 0", b"Content-Length: " + length)
        assert exchange(platform.port, head).status == 400, length
    assert json.loads(httpx.get(f"{platform.base_url}/healthz").text)
