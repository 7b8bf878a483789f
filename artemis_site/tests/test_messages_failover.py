"""Engines and Claude fail in Anthropic's dialect: the next one answers, or the client raises; one bill."""

import time
from typing import Any

import anthropic
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.messages import (
    ADDRESS,
    ASKED,
    PROMPT_TOKENS,
    TRANSLATED,
    ask,
    assert_billed,
    client_of,
    numbered,
    text_of,
    whole_and_streamed,
)
from artemis_site.tests.platform import CLAUDE, MODEL, Platform


@whole_and_streamed
@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 529}, {"reset": True}, {"status": 200, "body": "<html>"}, {"status": 200, "body": {}}],
    ids=["500", "529", "reset", "HTML with 200", "JSON that is no answer"],
)
def test_the_next_engine_answers_and_then_claude(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, fault: dict[str, Any], stream: bool
) -> None:
    platform.primary.script(**fault)
    assert text_of(ask(anthropic_client, stream=stream)) == numbered(8)
    assert_billed(desk, key, deployment="moon-b")

    platform.second.script(**fault)
    other = desk.key()
    with client_of(platform, other.secret) as second_client:
        message = ask(second_client, stream=stream)
    assert (text_of(message), message.model) == (numbered(8), MODEL)
    assert_billed(desk, other, deployment="claude")  # at moon's price, whoever answers


def test_an_error_in_place_of_the_first_event_is_asked_elsewhere(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic
) -> None:
    """Also where it comes with a 200: the caller has seen nothing yet."""
    for engine in (platform.primary, platform.claude):
        engine.script(error_after=0)
    assert text_of(ask(anthropic_client, stream=True)) == numbered(8)
    assert_billed(desk, key, deployment="moon-b")
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(anthropic_client, stream=True, model=CLAUDE)
    assert away.value.status_code == 529


BROKEN: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 6},
    "stalled": {"stall_after": 6},
    "malformed": {"malformed_after": 6},
    "HTML inside": {"malformed_after": 6, "malformed": "html"},
    "an endless line": {"malformed_after": 6, "malformed": "long_line"},
    "overloaded_error": {"error_after": 6},
    "no end": {"cut_after": 13},
}


@pytest.mark.parametrize("model", [MODEL, CLAUDE, TRANSLATED], ids=["vLLM", "Claude", "translated"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_breaks_is_whole_or_an_error_never_a_short_success(
    platform: Platform,
    desk: Desk,
    key: Key,
    anthropic_client: anthropic.Anthropic,
    translated: str,
    broken: dict[str, Any],
    model: str,
) -> None:
    """`stream_timeout` is two seconds for our engines; Claude's default of a minute is not waited for here."""
    if model == CLAUDE and "stall_after" in broken:
        pytest.skip("waits for a minute")
    for engine in (platform.primary, platform.claude):
        engine.script(**broken)
    received = ""
    failed: anthropic.APIError | None = None
    began = time.monotonic()
    try:
        with anthropic_client.messages.stream(**ASKED | {"model": model}) as stream:
            for text in stream.text_stream:
                received += text
            assert stream.get_final_message().stop_reason == "max_tokens"
    except anthropic.APIError as error:
        failed = error

    assert time.monotonic() - began < 8
    assert numbered(8).startswith(received)
    assert failed is not None or received == numbered(8)
    if failed:
        assert failed.body["error"]["code"] == "engine_failed"  # type: ignore[index, call-overload]
        assert failed.body["request_id"].startswith("req_")  # type: ignore[index, call-overload]
        assert not ADDRESS.search(str(failed))
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == ("failed" if failed else "completed")
    if model == MODEL:  # its deltas are tokens
        assert request.output_tokens == received.count("token")
        assert request.input_tokens == PROMPT_TOKENS
        assert request.cost == PROMPT_TOKENS * 1000 + request.output_tokens * 2000


@pytest.mark.parametrize("model", [MODEL, CLAUDE, TRANSLATED], ids=["vLLM", "Claude", "translated"])
def test_a_caller_who_hangs_up_pays_for_what_came_and_frees_the_engine(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, translated: str, model: str
) -> None:
    engine = platform.claude if model == CLAUDE else platform.primary
    engine.script(tokens_per_second=20.0, output_tokens=200)
    received = 0
    with anthropic_client.messages.stream(**ASKED | {"model": model, "max_tokens": 200}) as stream:
        for _ in stream.text_stream:
            received += 1
            if received == 5:
                break
    (request,) = desk.bill(key, requests=1).requests

    assert engine.wait_log(lambda entry: entry["disconnected"])["generated_tokens"] < 100
    assert (request.outcome, request.estimated) == ("cancelled", True)
    assert 0 < request.output_tokens < 50
    assert request.input_tokens > 0
    if model != TRANSLATED:  # where it is told at the beginning
        assert request.input_tokens == PROMPT_TOKENS


@whole_and_streamed
def test_with_all_engines_away_it_is_an_overload_that_costs_nothing(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, stream: bool
) -> None:
    platform.primary.script(status=503)
    platform.second.script(reset=True)
    platform.claude.script(status=529)
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(anthropic_client, stream=stream)

    assert (away.value.status_code, away.value.type) == (529, "overloaded_error")
    assert away.value.error_code == "model_unavailable"
    assert 1 <= int(away.value.response.headers["retry-after"]) <= 30
    assert not ADDRESS.search(str(away.value))
    assert desk.bill(key, requests=1).cost == 0


def claude_says(status: int, message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"status": status, "body": {"type": "error", "error": {"type": kind, "message": message}}}


@whole_and_streamed
@pytest.mark.parametrize(
    ("model", "script", "code"),
    [
        (MODEL, {"error": "context_length"}, "context_length_exceeded"),
        (CLAUDE, claude_says(400, "prompt is too long: 200001 tokens > 200000 maximum"), "context_length_exceeded"),
        (CLAUDE, claude_says(400, "temperature and top_p cannot both be given"), "invalid_request"),
    ],
    ids=["vLLM's context", "Claude's context", "Claude's refusal"],
)
def test_what_the_caller_did_wrong_is_said_once(
    platform: Platform,
    desk: Desk,
    key: Key,
    anthropic_client: anthropic.Anthropic,
    model: str,
    script: dict[str, Any],
    code: str,
    stream: bool,
) -> None:
    engine = platform.claude if model == CLAUDE else platform.primary
    engine.script(**script)
    with pytest.raises(anthropic.BadRequestError) as refused:
        ask(anthropic_client, stream=stream, model=model)
    assert (refused.value.type, refused.value.error_code) == ("invalid_request_error", code)
    assert len(engine.log()) == 1
    (request,) = desk.bill(key, requests=1).requests
    assert (request.error_code, request.cost) == (code, 0)


@pytest.mark.parametrize(
    "script",
    [
        claude_says(400, "Your credit balance is too low to access the Anthropic API."),
        claude_says(400, "You have reached your specified API usage limits. You will regain access on 2026-12-01."),
        claude_says(402, "Pay first", "billing_error"),
        claude_says(529, "Overloaded", "overloaded_error"),
        claude_says(401, "invalid x-api-key", "authentication_error"),
    ],
    ids=["no credit", "spend limit", "billing", "overloaded", "our key"],
)
def test_what_claude_has_against_us_is_not_the_callers_fault(
    platform: Platform, desk: Desk, key: Key, anthropic_client: anthropic.Anthropic, script: dict[str, Any]
) -> None:
    platform.claude.script(**script)
    with pytest.raises(anthropic.InternalServerError) as away:
        ask(anthropic_client, stream=False, model=CLAUDE)
    assert (away.value.status_code, away.value.error_code) == (529, "model_unavailable")
    assert len(platform.claude.log()) == 1
    assert "x-api-key" not in str(away.value)
    assert desk.bill(key, requests=1).cost == 0


def test_claudes_rate_limit_is_passed_on(platform: Platform, anthropic_client: anthropic.Anthropic) -> None:
    platform.claude.script(**claude_says(429, "slow down", "rate_limit_error"), retry_after="7")
    with pytest.raises(anthropic.RateLimitError) as busy:
        ask(anthropic_client, stream=False, model=CLAUDE)
    assert (busy.value.type, busy.value.response.headers["retry-after"]) == ("rate_limit_error", "7")
