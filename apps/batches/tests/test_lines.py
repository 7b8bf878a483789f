"""A batch's file is bounded, and each of its lines."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.accounts.selectors import project_of_account
from apps.accounts.tests.cast import Cast
from apps.batches.services.lines import MOST_ERRORS, MOST_LINES, errors_of_file
from apps.files.contracts import FileFacts
from apps.files.services import upload_file

pytestmark = pytest.mark.django_db
URL = "/v1/chat/completions"


def line(number: int, **fields: Any) -> bytes:
    given = {"custom_id": str(number), "method": "POST", "url": URL, "body": {"model": "moon"}, **fields}
    return json.dumps(given).encode() + b"\n"


def stored(cast: Cast, text: bytes) -> FileFacts:
    return upload_file(
        account_id=cast.northwind.id,
        project_id=project_of_account(account_id=cast.northwind.id, slug="default").id,
        name="a",
        content=[text],
        size=len(text),
        lifetime=timedelta(days=1),
    )


def test_a_full_file_is_good_and_one_line_more_is_not(cast: Cast) -> None:
    text = b"".join(line(number) for number in range(MOST_LINES))
    assert errors_of_file(stored(cast, text), URL) == ([], MOST_LINES)
    ((error,), _) = errors_of_file(stored(cast, text + line(MOST_LINES)), URL)
    assert (error["code"], error["line"]) == ("too_many_requests", MOST_LINES + 1)


def test_a_line_has_a_length(cast: Cast, settings: Settings) -> None:
    settings.GATEWAY_MAX_BODY_BYTES = 10_000
    text = line(1) + line(2, body={"model": "moon", "pad": "x" * 20_000}) + line(3)
    ((error,), _) = errors_of_file(stored(cast, text), URL)
    assert (error["code"], error["line"]) == ("line_too_long", 2)


def test_only_so_many_errors_are_told(cast: Cast) -> None:
    errors, _ = errors_of_file(stored(cast, b"nonsense\n" * 1000), URL)
    assert len(errors) == MOST_ERRORS


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"custom_id": ""}, "invalid_request"),
        ({"custom_id": "x" * 513}, "invalid_request"),
        ({"custom_id": 5}, "invalid_request"),
        ({"method": "post"}, "invalid_request"),
        ({"url": "/v1/chat/completions/"}, "invalid_url"),
        ({"url": "http://elsewhere/v1/chat/completions"}, "invalid_url"),
        ({"body": None}, "invalid_body"),
        ({"body": []}, "invalid_body"),
        ({"body": {"model": ""}}, "invalid_body"),
        ({"body": {"model": 5}}, "invalid_body"),
    ],
)
def test_lines_that_are_refused(cast: Cast, fields: dict[str, Any], code: str) -> None:
    ((error,), _) = errors_of_file(stored(cast, line(1, **fields)), URL)
    assert (error["code"], error["line"]) == (code, 1)


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":' * 50_000, b"\x00\n", b"\xef\xbb\xbf{}\n", b'{"custom_id": 1e999}']
)
def test_hostile_lines(cast: Cast, text: bytes) -> None:
    errors, _ = errors_of_file(stored(cast, text), URL)
    assert errors
