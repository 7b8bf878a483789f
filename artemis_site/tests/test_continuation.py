"""A stream whose engine fails in the middle goes on elsewhere: one stream, one id, one bill; or a clear error."""

import json
import time
from typing import Any

import httpx
import openai
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import MODEL, SMALL_MODEL, Platform
from artemis_site.tests.test_failover import (
    INPUT_PRICE,
    MESSAGES,
    OUTPUT_PRICE,
    PROMPT_TOKENS,
    TOOL,
    ask,
    events_of,
    numbered,
    text_of,
)

JSON = '{"engine": "fake engine"}'
# After the role and three tokens.
BREAKS: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 4},
    "stalled": {"stall_after": 4},
    "malformed": {"malformed_after": 4},
    "an endless line": {"malformed_after": 4, "malformed": "long_line"},
    "an error inside": {"error_after": 4},
    "cut in pieces": {"cut_after": 4, "split_bytes": 7},
    "dead": {"exit_after": 4},
}


def assert_one_whole_stream(answer: httpx.Response, *, text: str = "") -> list[Any]:
    events = events_of(answer)
    assert (text_of(events), events[-1]) == (text or numbered(8), "[DONE]")
    chunks = events[:-1]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert len({chunk["created"] for chunk in chunks}) == 1
    assert {chunk["model"] for chunk in chunks} == {MODEL}
    roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks if chunk["choices"]]
    assert roles[0] == "assistant" and not any(roles[1:])
    return chunks


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_the_next_engine_goes_on(platform: Platform, desk: Desk, broken: dict[str, Any]) -> None:
    """`stream_timeout` is two seconds here."""
    platform.primary.script(**broken, times=1)
    key = desk.key()
    began = time.monotonic()
    try:
        answer = ask(platform, key, stream=True, stream_options={"include_usage": True})
    finally:
        if "exit_after" in broken:
            platform.primary.wait_dead()
            platform.primary.start()
    assert time.monotonic() - began < 6
    chunks = assert_one_whole_stream(answer)
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (PROMPT_TOKENS, 8)
    last = next(chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"])
    assert last["artemis"] == {"deployments": ["moon-a", "moon-b"]}
    assert last["choices"][0]["finish_reason"] == "length"

    (entry,) = platform.second.log()
    sent = entry["body"]
    assert sent["messages"] == [*MESSAGES, {"role": "assistant", "content": numbered(3)}]
    assert (sent["continue_final_message"], sent["add_generation_prompt"], sent["max_tokens"]) == (True, False, 5)
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.deployment) == ("completed", "moon-a+moon-b")
    assert (request.input_tokens, request.output_tokens) == (PROMPT_TOKENS, 8)
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + 8 * OUTPUT_PRICE


def test_claude_goes_on_with_what_both_own_engines_left(platform: Platform, desk: Desk) -> None:
    platform.primary.script(cut_after=4)
    platform.second.script(cut_after=3)
    key = desk.key()
    answer = ask(platform, key, stream=True)
    chunks = assert_one_whole_stream(answer)
    last = next(chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"])
    assert last["artemis"] == {"deployments": ["moon-a", "moon-b", "claude"]}
    (entry,) = platform.claude.log()
    assert entry["body"]["messages"][-1]["role"] == "assistant"
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.input_tokens, request.output_tokens) == ("completed", PROMPT_TOKENS, 8)


def test_claude_that_takes_no_beginning_is_asked_anew_and_only_the_rest_is_forwarded(
    platform: Platform, desk: Desk
) -> None:
    """Constrained output cannot be begun in the middle either: every engine is asked anew."""
    platform.primary.script(cut_after=2)
    key = desk.key()
    answer = ask(platform, key, stream=True, response_format={"type": "json_object"})
    assert_one_whole_stream(answer, text=JSON)
    (entry,) = platform.second.log()
    assert entry["body"]["messages"] == MESSAGES and "continue_final_message" not in entry["body"]
    (request,) = desk.bill(key, requests=1).requests
    assert request.outcome == "completed"


def test_an_engine_that_says_something_else_is_not_glued_on(platform: Platform, desk: Desk) -> None:
    platform.primary.script(texts=["One", " thing", " and", " more"], cut_after=3)
    platform.second.script(texts=["Something", " else", " entirely"])
    key = desk.key()
    events = events_of(ask(platform, key, stream=True, response_format={"type": "text"}))
    assert text_of(events[:-1]) == "One thing"
    assert events[-1]["error"]["code"] == "engine_failed"
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.output_tokens) == ("failed", 2)
    assert request.cost == PROMPT_TOKENS * INPUT_PRICE + 2 * OUTPUT_PRICE


def test_a_cut_tool_call_is_an_error(platform: Platform, desk: Desk) -> None:
    platform.primary.script(tool_call="look_up", cut_after=3)
    stream = platform.client(desk.key().secret).chat.completions.create(
        model=MODEL,
        messages=MESSAGES,  # type: ignore[arg-type]
        tools=[TOOL],  # type: ignore[list-item]
        stream=True,
    )
    with pytest.raises(openai.APIError) as broken:
        list(stream)
    assert broken.value.code == "engine_failed"
    assert platform.second.log() == []


def test_garbage_in_place_of_the_first_event_is_asked_elsewhere(platform: Platform, desk: Desk) -> None:
    """Whatever was asked for, for the caller has nothing of it: two choices here."""
    platform.primary.script(malformed_after=0)
    key = desk.key()
    events = events_of(ask(platform, key, stream=True, n=2))
    assert events[-1] == "[DONE]"
    told = [choice for event in events[:-1] for choice in event["choices"]]
    assert [sum(choice["index"] == index for choice in told) for index in (0, 1)] == [9, 9]
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.output_tokens) == ("completed", 16)


def test_a_completion_goes_on_with_a_longer_prompt(platform: Platform, desk: Desk) -> None:
    platform.primary.script(cut_after=3)
    key = desk.key()
    payload = {"model": MODEL, "prompt": "Tell me of the moon.", "max_tokens": 8, "stream": True}
    answer = platform.post("/v1/completions", api_key=key.secret, json=payload)
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    texts = [json.loads(event)["choices"] for event in events if event != "[DONE]"]
    assert "".join(choices[0]["text"] for choices in texts if choices) == numbered(8)
    assert events[-1] == "[DONE]"
    (entry,) = platform.second.log()
    assert entry["body"]["prompt"] == "Tell me of the moon." + numbered(3)
    assert desk.bill(key, requests=1).requests[0].output_tokens == 8


def test_a_lone_engine_that_cuts_goes_on_itself_or_says_so(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    platform.primary.script(cut_after=4, times=1)
    events = events_of(ask(platform, key, model=SMALL_MODEL, stream=True))
    assert (text_of(events), events[-1]) == (numbered(8), "[DONE]")
    platform.primary.script(cut_after=2)  # a token each time
    events = events_of(ask(platform, key, model=SMALL_MODEL, stream=True))
    assert events[-1]["error"]["code"] == "engine_failed"
    said = text_of(events[:-1])
    assert said == numbered(3)
    requests = desk.bill(key, requests=2).requests
    assert {request.outcome for request in requests} == {"completed", "failed"}
    assert sum(request.output_tokens for request in requests) == 8 + said.count("token")
