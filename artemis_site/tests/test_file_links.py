"""A link to a file: whoever has it saves that file, for five minutes; no browser takes what is in it for a page."""

import time

import httpx
import pytest
from django.core.signing import TimestampSigner, b62_encode

from apps.files.models import StoredFile
from apps.files.selectors import facts
from apps.files.services import link_to_file
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform

HTML = b"<script>alert(1)</script>" * 100_000


class FiveMinutesAgo(TimestampSigner):
    def timestamp(self) -> str:
        return b62_encode(int(time.time()) - 301)


def link(public_id: str) -> str:
    return link_to_file(file=facts(StoredFile.objects.get(public_id=public_id)))


def old_link(public_id: str) -> str:
    signed = link(public_id).removeprefix("/files/").rsplit(":", 2)[0]
    return f"/files/{FiveMinutesAgo(salt='files.link').sign(signed)}"


@pytest.fixture
def file(platform: Platform) -> str:
    client = platform.client()
    return client.files.create(file=('größe "1".html', HTML), purpose="assistants").id


def test_a_link_gives_the_file_to_be_saved(platform: Platform, desk: Desk, file: str) -> None:
    answer = httpx.get(platform.base_url + desk.call(link, file))
    assert answer.status_code == 200
    assert answer.content == HTML
    headers = answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment; filename*=utf-8''gr%C3%B6%C3%9Fe")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["content-length"] == str(len(HTML))
    assert "no-store" in headers["cache-control"]
    assert "set-cookie" not in headers
    assert httpx.post(platform.base_url + desk.call(link, file)).status_code in (403, 405)


def test_a_link_is_good_for_one_file_and_a_few_minutes(platform: Platform, desk: Desk, file: str) -> None:
    other = platform.client().files.create(file=("other.txt", b"other"), purpose="assistants").id
    good = desk.call(link, file)
    for bad in (
        desk.call(old_link, file),
        good.replace(file, other),
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.rsplit(":", 1)[0],
        f"/files/{file}",
        "/files/%00",
        "/files/1.1.x:y:z",
        "/files/" + "x" * 5000,
    ):
        assert httpx.get(platform.base_url + bad).status_code == 404, bad
    platform.client().files.delete(file)
    assert httpx.get(platform.base_url + good).status_code == 404
