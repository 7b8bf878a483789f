"""A page of the web becomes a file of its project, and of nobody else's."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types import FileObject

from apps.files.tests.web_server import Site, endless, page, redirect, site
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import make_account
from artemis_site.tests.platform import Platform

HTML = b"<h1>Moon</h1>" * 1000


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as made:
        yield made


def fetch(platform: Platform, url: str, *, key: str | None = None, **fields: Any) -> httpx.Response:
    return platform.post("/v1/files", json={"url": url, "purpose": "assistants", **fields}, api_key=key)


def test_a_page_is_a_file(platform: Platform, desk: Desk, web: Site) -> None:
    web.pages |= {"/old": redirect("/moon"), "/moon": page(HTML)}
    answer = fetch(platform, web.url("/old"), expires_after={"anchor": "created_at", "seconds": 3600})
    assert answer.status_code == 200, answer.text
    card = answer.json()
    assert (card["url"], card["filename"], card["bytes"]) == (web.url("/old"), "moon.html", len(HTML))
    assert card["expires_at"] == card["created_at"] + 3600

    client = platform.client()
    file = client.files.retrieve(card["id"])
    FileObject.model_validate(file.model_dump(), strict=True)
    assert file.to_dict()["url"] == web.url("/old")
    assert client.files.content(file.id).content == HTML
    assert file.id in [found.id for found in client.files.list(purpose="assistants")]

    stranger = platform.client(desk.key(account=desk.call(make_account, "Strange to pages")).secret)
    for reach in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(openai.NotFoundError):
            reach(file.id)
    assert client.files.delete(file.id).deleted


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/absent", "url_unreachable"),
        ("/large", "url_too_large"),
        ("/picture", "url_not_a_document"),
        ("/away", "url_not_allowed"),
    ],
)
def test_what_cannot_be_fetched_says_why(platform: Platform, web: Site, path: str, code: str) -> None:
    web.pages["/large"] = endless(b"x" * 65_536, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    web.pages["/picture"] = page(b"x", kind="image/png")
    with site("127.0.0.2") as private:
        private.pages["/"] = page(HTML)
        web.pages["/away"] = redirect(private.url("/"))
        answer = fetch(platform, web.url(path))
        assert private.got == []
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "url", code)
    assert error["message"]


def test_fetching_counts_as_a_request_of_the_key(platform: Platform, desk: Desk, web: Site) -> None:
    web.pages["/"] = page(HTML)
    key: Any = desk.key(rpm_limit=2)
    answers = [fetch(platform, web.url("/"), key=key.secret).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert len(web.got) == 2
    chat_only: Any = desk.key(allowed_endpoints=("chat.completions",))
    assert fetch(platform, web.url("/"), key=chat_only.secret).status_code == 403
    assert fetch(platform, web.url("/"), key="sk-art-junk").status_code == 401


def test_a_slow_page_holds_up_nobody_and_an_account_has_few_at_once(platform: Platform, desk: Desk, web: Site) -> None:
    busy = desk.key(account=desk.call(make_account, "Slow pages"))
    released = threading.Event()

    def wait(caller: Any) -> None:
        released.wait(20)
        caller.sendall(page(HTML))

    web.pages["/slow"] = wait
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(fetch(platform, web.url("/slow"), key=busy.secret).status_code))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(statuses) < 4 and time.monotonic() < deadline:  # two processes take four each
        time.sleep(0.05)
    assert statuses
    assert set(statuses) == {429}
    begun = time.monotonic()
    for _ in range(10):
        assert platform.client().models.list().data
    assert time.monotonic() - begun < 3
    released.set()
    for thread in threads:
        thread.join(20)
    assert set(statuses) == {200, 429}
    assert 1 <= statuses.count(200) <= 8
