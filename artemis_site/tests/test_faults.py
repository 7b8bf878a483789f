"""The fault suite: what the caller saw, how often each engine was asked, what was billed; printed as one table.

An engine that is busy, broken, silent, slow or away, before its answer and in the middle of it, alone and with others
behind it.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from artemis_site.tests import messages
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import MODEL, SMALL_MODEL, Platform
from artemis_site.tests.report import ROWS
from artemis_site.tests.test_failover import INPUT_PRICE, OUTPUT_PRICE, PROMPT_TOKENS, ask, events_of, numbered, text_of

WHOLE = "whole answer"
SECONDS = 8.0  # within which every request is over


@dataclass(frozen=True)
class Fault:
    """Scripts of the engines; `sees`: WHOLE or an error's code; `tries` of primary, second and Claude at most."""

    name: str
    sees: str
    primary: dict[str, Any]
    tries: tuple[int, int, int]
    second: dict[str, Any] = field(default_factory=dict)
    claude: dict[str, Any] = field(default_factory=dict)
    model: str = MODEL
    streamed_only: bool = False


DOWN = {"status": 503}
NO_PREFILL = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "This model does not support assistant message prefill.",
    },
}


def alone(name: str, sees: str, primary: dict[str, Any], tries: int) -> Fault:
    return Fault(f"{name}, alone", sees, primary, (tries, 0, 0), model=SMALL_MODEL)


def backed(name: str, primary: dict[str, Any], tries: int = 1, *, streamed_only: bool = False) -> Fault:
    return Fault(f"{name}, others behind", WHOLE, primary, (tries, 1, 0), streamed_only=streamed_only)


FAULTS = [
    alone("429 with Retry-After: 1, once", WHOLE, {"status": 429, "retry_after": "1", "times": 1}, 2),
    alone("429 without Retry-After, once", WHOLE, {"status": 429, "times": 1}, 2),
    alone("429 with Retry-After: 30", "rate_limit_exceeded", {"status": 429, "retry_after": "30"}, 1),
    backed("429 always", {"status": 429}),
    alone("500 once", WHOLE, {"status": 500, "times": 1}, 2),
    backed("500 always", {"status": 500}, 2),
    alone("503 always", "model_unavailable", DOWN, 3),
    backed("503 always", DOWN),
    backed("queue full", {"error": "queue_full"}),
    alone("reset before the headers, once", WHOLE, {"reset": True, "times": 1}, 2),
    backed("reset before the headers", {"reset": True}, 2),
    backed("silence", {"silent": True}, streamed_only=True),
    backed("slow first token", {"first_token_delay": 10}, streamed_only=True),
    alone("slow first token, within its time", WHOLE, {"first_token_delay": 1}, 1),
    backed("cut in the middle", {"cut_after": 4}, 2),
    alone("cut in the middle, once", WHOLE, {"cut_after": 4, "times": 1}, 2),
    backed("stall in the middle", {"stall_after": 4}, streamed_only=True),
    backed("malformed event", {"malformed_after": 4}, streamed_only=True),
    backed("an error event in the middle", {"error_after": 4}, streamed_only=True),
    backed("HTML with 200", {"status": 200, "body": "<html>"}),
    Fault("no [DONE]", WHOLE, {"omit_done": True}, (1, 0, 0), streamed_only=True),
    Fault("context too long", "context_length_exceeded", {"error": "context_length"}, (1, 0, 0)),
    Fault("content policy", "content_policy_violation", {"error": "content_policy"}, (1, 0, 0)),
    Fault("own engines down, Claude answers", WHOLE, DOWN, (1, 2, 1), second={"reset": True}),
    Fault(
        "all engines and Claude away",
        "model_unavailable",
        DOWN,
        (3, 4, 3),
        second={"reset": True},
        claude={"status": 529},
    ),
    Fault(
        "cut, and a fallback that refuses prefill",
        WHOLE,
        {"cut_after": 4},
        (1, 1, 2),
        second=DOWN,
        claude={"status": 400, "times": 1, "body": NO_PREFILL},
        streamed_only=True,
    ),
]
CASES = [
    pytest.param(fault, stream, id=f"{fault.name}{', streamed' if stream else ''}")
    for fault in FAULTS
    for stream in (False, True)
    if stream or not fault.streamed_only
]


def seen(answer: httpx.Response, *, stream: bool) -> str:
    if answer.status_code != 200:
        return str(answer.json()["error"]["code"])
    if not stream:
        text = answer.json()["choices"][0]["message"]["content"]
    else:
        events = events_of(answer)
        if isinstance(events[-1], dict) and "error" in events[-1]:
            return str(events[-1]["error"]["code"])
        assert events[-1] == "[DONE]"
        text = text_of(events)
    assert text == numbered(8), "neither cut nor doubled"
    return WHOLE


@pytest.mark.parametrize(("fault", "stream"), CASES)
def test_fault(platform: Platform, desk: Desk, fault: Fault, stream: bool) -> None:
    for engine, script in (
        (platform.primary, fault.primary),
        (platform.second, fault.second),
        (platform.claude, fault.claude),
    ):
        if script:
            engine.script(**script)
    key = desk.key()
    began = time.monotonic()
    answer = ask(platform, key, model=fault.model, stream=stream)
    took = time.monotonic() - began
    saw = seen(answer, stream=stream)
    tries = tuple(len(engine.log()) for engine in (platform.primary, platform.second, platform.claude))
    (request,) = desk.bill(key, requests=1).requests
    ROWS.append((fault.name, stream, saw, took, tries, request.output_tokens, request.cost))

    assert saw == fault.sees
    assert all(tried <= most for tried, most in zip(tries, fault.tries, strict=True)), tries
    assert sum(tries) <= 6 and took < SECONDS
    if saw != WHOLE:
        assert request.cost == 0
        assert answer.status_code < 500 or int(answer.headers["retry-after"]) >= 1
    elif not request.estimated:
        assert (request.input_tokens, request.output_tokens) == (PROMPT_TOKENS, 8)
        assert request.cost == PROMPT_TOKENS * INPUT_PRICE + 8 * OUTPUT_PRICE
    platform.reset_engines()
    wait_until_well(platform, key)


MIDDLES = {
    "cut": {"cut_after": 6},
    "stall": {"stall_after": 6},
    "malformed event": {"malformed_after": 6},
    "an error event": {"error_after": 6},
}


@pytest.mark.parametrize("broken", MIDDLES)
@pytest.mark.parametrize("dialect", ["messages", "responses"])
def test_fault_in_the_middle_of_another_dialect(platform: Platform, desk: Desk, dialect: str, broken: str) -> None:
    platform.primary.script(**MIDDLES[broken])
    key = desk.key()
    began = time.monotonic()
    if dialect == "messages":
        with messages.client_of(platform, key.secret) as client:
            text = messages.text_of(messages.ask(client, stream=True))
    else:
        asked = {"model": MODEL, "input": messages.PROMPT, "max_output_tokens": 8}
        *_, last = platform.client(key.secret).responses.create(**asked, stream=True)
        text = last.response.output_text
    took = time.monotonic() - began
    tries = tuple(len(engine.log()) for engine in (platform.primary, platform.second, platform.claude))
    (request,) = desk.bill(key, requests=1).requests
    name = f"{broken} in the middle, {dialect}"
    ROWS.append((name, True, WHOLE, took, tries, request.output_tokens, request.cost))

    assert text == numbered(8), "neither cut nor doubled"
    assert (tries, request.outcome, request.output_tokens) == ((1, 1, 0), "completed", 8)
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + 8 * OUTPUT_PRICE
    assert took < SECONDS


def wait_until_well(platform: Platform, key: Key) -> None:
    """A healthy call works soon after the fault is gone, with no human."""
    began = time.monotonic()
    while ask(platform, key).status_code != 200:
        assert time.monotonic() - began < 5
        time.sleep(0.1)


def test_a_flapping_primary_is_left_alone_and_comes_back(platform: Platform, desk: Desk) -> None:
    """Two failures, one answer, over and over: nobody notices, and it is not asked for every request."""
    for _ in range(40):
        platform.primary.post("/fake/script", [{"status": 500, "times": 2}, {"times": 1}])
    key = desk.key(rpm_limit=10_000)
    answers = [ask(platform, key, stream=bool(number % 2)) for number in range(60)]
    assert {seen(answer, stream=bool(number % 2)) for number, answer in enumerate(answers)} == {WHOLE}
    tries = len(platform.primary.log())
    assert tries < 60, "without a circuit it would be asked up to 120 times"
    platform.reset_engines()
    began = time.monotonic()
    while ask(platform, key).headers["x-artemis-deployment"] != "moon-a":
        assert time.monotonic() - began < 25
        time.sleep(0.2)
    ROWS.append(("flapping primary, 60 requests", True, WHOLE, time.monotonic() - began, (tries, 0, 0), 8, 0))
