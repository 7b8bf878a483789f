"""What /internal/authorize says of what cannot be a key; of real ones: artemis_site/tests/test_edge_keys.py."""

from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from apps.api.authentication import DIFFERENT, MALFORMED, MISSING
from apps.api.http import Request
from apps.api.internal import authorize
from apps.gateway.access import INVALID_KEY

JUNK = "sk-art-0000000000000000000000000000000000000000000000junk"


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({}, "missing_api_key", MISSING),
        ({"authorization": "Basic x"}, "invalid_api_key", MALFORMED),
        ({"authorization": f"Bearer  {JUNK}"}, "invalid_api_key", INVALID_KEY),
        ({"authorization": f"Bearer {JUNK}"}, "invalid_api_key", INVALID_KEY),
        ({"x-api-key": JUNK}, "invalid_api_key", INVALID_KEY),
        ({"authorization": f"Bearer {JUNK}", "x-api-key": "other"}, "invalid_api_key", DIFFERENT),
    ],
)
async def test_a_refusal_stands_in_the_headers_as_in_the_body(headers: dict[str, str], code: str, message: str) -> None:
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"method": "GET", "path": "/internal/authorize", "headers": given, "client": ("::1", 1)}
    answer = await authorize(Request(scope, b"", "req_1"))
    assert answer.status == 401
    assert answer.headers["x-artemis-error-code"] == code
    assert answer.headers["x-artemis-error-message"].isascii()
    assert unquote(answer.headers["x-artemis-error-message"]) == message
    error = msgspec.json.decode(answer.body)["error"]
    assert (error["code"], error["message"]) == (code, message)
