"""Responses in the background by the official client: made later, read, cancelled, deleted, and billed once."""

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import MODEL, Platform

QUESTION = "Tell me of the moon."
UNFINISHED = ("queued", "in_progress")


@pytest.fixture
def client(platform: Platform, key: Key) -> openai.OpenAI:
    return platform.client(key.secret)


def begin(client: openai.OpenAI, **fields: Any) -> Response:
    made = client.responses.create(**{"model": MODEL, "input": QUESTION, "background": True, **fields})
    Response.model_validate(made.model_dump(), strict=True)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    return made


def until(
    client: openai.OpenAI, response: Response, reached: Callable[[Response], bool], *, seconds: float = 30
) -> Response:
    """What it is then; each reading is checked as the official client types it."""
    deadline = time.monotonic() + seconds
    seen = [response.status]
    while not reached(response):
        assert time.monotonic() < deadline, response
        time.sleep(0.05)
        response = client.responses.retrieve(response.id)
        Response.model_validate(response.model_dump(), strict=True)
        seen.append(response.status)
    return response


def ended(client: openai.OpenAI, response: Response, *, seconds: float = 30) -> Response:
    return until(client, response, lambda one: one.status not in UNFINISHED, seconds=seconds)


def test_it_is_answered_as_in_the_foreground(platform: Platform, desk: Desk, key: Key, client: openai.OpenAI) -> None:
    fields: dict[str, Any] = {"metadata": {"purpose": "test"}, "temperature": 0.5, "max_output_tokens": 20}
    begun = begin(client, **fields)
    done = ended(client, begun)
    foreground = client.responses.create(model=MODEL, input=QUESTION, **fields)

    assert done.status == "completed"
    assert done.id == begun.id
    own = {"id", "created_at", "completed_at", "output", "background"}
    assert done.model_dump(exclude=own) == foreground.model_dump(exclude=own)
    assert done.output_text == foreground.output_text
    assert (done.background, foreground.background) == (True, False)
    first, second = desk.bill(key, requests=2).requests
    same = ("model", "endpoint", "outcome", "deployment", "input_tokens", "output_tokens", "cost", "service_tier")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
