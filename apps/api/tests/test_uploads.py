"""An upload is bounded by what comes, not by what its headers say, and takes no more memory than a piece."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from apps.api.http import Request
from apps.api.uploads import MOST_AT_ONCE, received
from apps.common.errors import Invalid, LimitExceeded

FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%s\r\n--b--\r\n'


class Sender:
    """Sends a body in parts, and counts them; `gone`: hangs up after them."""

    def __init__(self, *parts: bytes, gone: bool = False) -> None:
        self._parts = list(parts)
        self._gone = gone
        self.sent = 0

    async def __call__(self) -> MutableMapping[str, Any]:
        if not self._parts:
            return {"type": "http.disconnect"}
        self.sent += 1
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts) or self._gone}


def request(sender: Sender, **headers: str) -> Request:
    given = {"content-type": "multipart/form-data; boundary=b", **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return Request({"method": "POST", "path": "/v1/files", "headers": pairs}, b"", "req_1", sender)


async def test_the_parts_are_put_together() -> None:
    body = FORM % (b"x" * 3_000_000)
    parts = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    async with received(request(Sender(*parts)), account_id=1, limit=3_000_000) as upload:
        assert (upload.name, upload.size, upload.fields) == ("a", 3_000_000, {})
        assert b"".join(upload.pieces()) == b"x" * 3_000_000


@pytest.mark.parametrize("headers", [{}, {"content_length": "5"}, {"transfer_encoding": "chunked"}])
async def test_more_than_allowed_is_noticed_as_it_comes(headers: dict[str, str]) -> None:
    sender = Sender(*[b"x" * 65_536] * 1000)
    with pytest.raises(Invalid) as refused:
        async with received(request(sender, **headers), account_id=1, limit=1000):
            raise AssertionError("too much was taken")
    assert refused.value.status == 413
    assert sender.sent == 2


async def test_a_file_just_over_the_limit_within_its_form() -> None:
    with pytest.raises(Invalid) as refused:
        async with received(request(Sender(FORM % (b"x" * 1001))), account_id=1, limit=1000):
            raise AssertionError("too much was taken")
    assert refused.value.status == 413


async def test_an_upload_that_breaks_off() -> None:
    with pytest.raises(Invalid):
        async with received(request(Sender(b"--b\r\n", gone=True)), account_id=1, limit=1000):
            raise AssertionError("it was not whole")


async def test_an_accounts_uploads_are_few_and_nobody_elses_business() -> None:
    async def nested(depth: int) -> None:
        if not depth:
            async with received(request(Sender(FORM % b"x")), account_id=2, limit=1000):
                pass
            with pytest.raises(LimitExceeded):
                async with received(request(Sender(FORM % b"x")), account_id=1, limit=1000):
                    raise AssertionError("one too many")
            return
        async with received(request(Sender(FORM % b"x")), account_id=1, limit=1000):
            await nested(depth - 1)

    await nested(MOST_AT_ONCE)
    async with received(request(Sender(FORM % b"x")), account_id=1, limit=1000):
        pass
