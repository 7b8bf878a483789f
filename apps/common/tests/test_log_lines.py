"""A line of the log: one object, of which request, and no secret in it."""

import json
import logging
import logging.config
from collections.abc import Iterator
from io import StringIO

import pytest

from apps.common.logs import context
from apps.common.logs.lines import logging_settings
from apps.common.logs.redaction import redacted

SECRETS = {
    "our key": "sk-art-0123456789abABCDEFGHIJKLMNOPQRSTUVWXYZ012345abcdef",
    "Anthropic's": "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "OpenAI's": "sk-proj-abcdefghijklmnop",
    "an older one": "sk-abcdefghijklmnopqrstuvwxyz012345",
    "Stripe's": "sk_live_51Habcdefghijklmnop",
    "Stripe's restricted": "rk_test_51Habcdefghijklmnop",
    "Stripe's webhooks'": "whsec_abcdefghijklmnopqrstuvwxyz",
    "Amazon's": "AKIAABCDEFGHIJKLMNOP",
    "a token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "age's": "AGE-SECRET-KEY-1QQPQYQSZQGPQYQSZQGP",
}
AROUND = {
    "alone": "{}",
    "in a sentence": "the key {}, of Alice, is refused",
    "bearer": "{{'authorization': 'Bearer {}'}}",
    "escaped": "line one\\n{}\\nline three",
    "in an address": "https://example.com/?key={}&page=2",
    "in JSON": '{{"key": "{}"}}',
}


@pytest.fixture(params=["json", "text"])
def written(request: pytest.FixtureRequest) -> Iterator[StringIO]:
    """What a logger "flood" writes, in either form."""
    settings = logging_settings(request.param, "INFO")
    out = StringIO()
    configurator = logging.config.DictConfigurator(settings)  # type: ignore[attr-defined]
    handler = logging.StreamHandler(out)
    handler.setFormatter(configurator.configure_formatter(settings["formatters"]["line"]))
    flood = logging.getLogger("flood")
    flood.handlers, flood.propagate = [handler], False
    yield out
    flood.handlers, flood.propagate = [], True


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_flood_of_secrets_leaves_none(written: StringIO, secret: str, around: str) -> None:
    flood, text = logging.getLogger("flood"), around.format(secret)
    flood.warning(text)
    flood.warning("refused: %s", text)
    flood.warning("refused: %r", {"headers": [text]})
    flood.info("an extra", extra={"request": text, "data": {"args": text}})
    try:
        raise ValueError(text)
    except ValueError:
        flood.exception("it failed")
    assert written.getvalue().count("flood") >= 5
    assert "[redacted]" in written.getvalue()
    assert secret not in written.getvalue()
    assert secret[8:] not in written.getvalue()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgres://artemis:hunter2@db:5432/artemis", "postgres://artemis:[redacted]@db:5432/artemis"),
        ("redis://:hunter2@redis:6379/0", "redis://:[redacted]@redis:6379/0"),
        ("password=hunter2&page=1", "password=[redacted]&page=1"),
        ('{"password": "hunter2", "page": 1}', '{"password": "[redacted]", "page": 1}'),
        ("{'X-Api-Key': b'hunter2'}", "{'X-Api-Key': b'[redacted]'}"),
        ("Basic aHVudGVyMjpodW50ZXIy", "Basic [redacted]"),
        ("Not Found: /accounts/password/reset/key/2a-abc123/", "Not Found: /accounts/password/reset/key/[redacted]/"),
        ("Gone: /invitations/abcdefghijklmnop0123/", "Gone: /invitations/[redacted]/"),
    ],
)
def test_what_is_named_a_secret_is_one(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "req_0123456789abcdef01234567: moon-a failed: the engine answered 503",
        "the task-of-many-words-that-has-a-long-name is late",
        "max_tokens: 5, prompt_tokens=7",
        "http://127.0.0.1:8000/v1/models",
        "the bearer of news is here",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert redacted(text) == text


def test_a_line_is_one_object_and_says_of_which_request() -> None:
    settings = logging_settings("json", "INFO")
    formatter = logging.config.DictConfigurator(settings).configure_formatter(  # type: ignore[attr-defined]
        settings["formatters"]["line"]
    )
    token = context.request_id.set("req_1")
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("apps.x", logging.ERROR, "x.py", 1, "it %s", ("failed",), info)
        line = json.loads(formatter.format(record))
    finally:
        context.request_id.reset(token)
    assert list(line)[:4] == ["timestamp", "level", "logger", "message"]
    assert (line["level"], line["logger"], line["message"]) == ("error", "apps.x", "it failed")
    assert line["request_id"] == "req_1"
    assert line["exception"].endswith("ValueError: two\nlines")
    assert "task" not in line


def test_a_form_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="LOG_FORMAT"):
        logging_settings("xml", "INFO")
