"""A streamed response whose engine fails in the middle goes on elsewhere: one response, whole, kept and billed once."""

import json
from typing import Any

import httpx
import openai
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.test_responses_journey import (
    PROMPT_TOKENS,
    QUESTION,
    TOOL,
    ask,
    bill,
    events_of,
    numbered,
    text_of,
)

# After the response's start, in two events, its item's, its part's, and three tokens.
BREAKS: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 7},
    "stalled": {"stall_after": 7},
    "malformed": {"malformed_after": 7},
    "an endless line": {"malformed_after": 7, "malformed": "long_line"},
    "an error inside": {"error_after": 7},
    "cut in pieces": {"cut_after": 7, "split_bytes": 7},
    "dead": {"exit_after": 7},
}
CLOSING = ["output_text.done", "content_part.done", "output_item.done", "incomplete"]


def assert_one_whole_response(answer: httpx.Response, *deployments: str) -> dict[str, Any]:
    events = events_of(answer)  # which checks their numbers
    assert [event["type"].removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 8,
        *CLOSING,
    ]
    inside = events[2:-1]
    assert len({event.get("item_id") or event["item"]["id"] for event in inside}) == 1
    assert {(event["output_index"], event.get("content_index", 0)) for event in inside} == {(0, 0)}
    text, part, item, last = (events[-4]["text"], events[-3]["part"], events[-2]["item"], events[-1]["response"])
    assert text_of(events) == text == part["text"] == item["content"][0]["text"] == numbered(8)
    assert last["output"] == [item]
    assert last["id"] == events[0]["response"]["id"]
    assert (last["status"], last["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert last["artemis"] == {"deployments": list(deployments)}
    response: dict[str, Any] = last
    return response


def assert_error(answer: httpx.Response) -> list[Any]:
    events = events_of(answer)
    kinds = [event["type"] for event in events]
    assert (kinds[-1], events[-1]["code"], kinds.count("error")) == ("error", "engine_failed", 1)
    assert not {"response.completed", "response.incomplete"} & set(kinds)
    return events


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_the_next_engine_goes_on(platform: Platform, desk: Desk, key: Key, broken: dict[str, Any]) -> None:
    platform.primary.script(**broken, times=1)
    try:
        answer = ask(platform, key, stream=True)
    finally:
        if "exit_after" in broken:
            platform.primary.wait_dead()
            platform.primary.start()
    response = assert_one_whole_response(answer, "moon-a", "moon-b")
    usage = response["usage"]
    read = (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])
    assert read == (PROMPT_TOKENS, 8, PROMPT_TOKENS + 8)

    (entry,) = platform.second.log()
    sent = entry["body"]
    assert entry["path"] == "/v1/chat/completions"
    assert sent["messages"] == [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": numbered(3)},
    ]
    assert (sent["continue_final_message"], sent["add_generation_prompt"], sent["max_tokens"]) == (True, False, 5)
    row = bill(desk, key)
    assert (row.outcome, row.deployment) == ("completed", "moon-a+moon-b")
    assert (row.input_tokens, row.output_tokens) == (PROMPT_TOKENS, 8)


def test_the_client_gathers_the_whole_response_and_it_is_kept(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=7, output_tokens=8)
    for engine in (platform.second, platform.claude):
        engine.script(output_tokens=8)
    client = platform.client(key.secret)
    with client.responses.stream(model=MODEL, input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds.count("response.created"), kinds[-1]) == (1, "response.completed")
    assert (final.output_text, final.status) == (numbered(8), "completed")
    kept = client.responses.retrieve(final.id)
    assert (kept.output_text, kept.usage) == (numbered(8), final.usage)
    platform.reset_engines()
    client.responses.create(model=MODEL, input="Go on.", previous_response_id=final.id)
    told = platform.primary.log()[-1]["body"]["input"]
    assert told[1]["content"][0]["text"] == numbered(8)
    assert bill(desk, key, requests=2).outcome == "completed"


def test_claude_goes_on_with_what_both_own_engines_left(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=7)
    platform.second.script(cut_after=3)
    response = assert_one_whole_response(ask(platform, key, stream=True), "moon-a", "moon-b", "claude")
    assert response["usage"]["output_tokens"] == 8
    (entry,) = platform.claude.log()
    assert entry["body"]["messages"][-1]["role"] == "assistant"
    assert bill(desk, key).deployment == "moon-a+moon-b+claude"


def test_an_own_engine_goes_on_with_what_claude_left(platform: Platform, desk: Desk, key: Key) -> None:
    for engine in (platform.primary, platform.second):
        engine.script(status=500, times=2)
    platform.claude.script(cut_after=6, times=1)
    assert_one_whole_response(ask(platform, key, stream=True), "claude", "moon-a")
    sent = platform.primary.log()[-1]["body"]
    assert (sent["messages"][-1]["content"], sent["continue_final_message"]) == (numbered(3), True)
    assert bill(desk, key).outcome == "completed"


def test_all_of_the_question_goes_along(platform: Platform, key: Key) -> None:
    platform.primary.script(cut_after=7)
    asked: list[dict[str, Any]] = [
        {"role": "user", "content": QUESTION},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"word": "moon"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "round"},
    ]
    answer = ask(
        platform, key, input=asked, stream=True, instructions="Be brief.", tools=[TOOL], temperature=0.5, top_k=5
    )
    assert_one_whole_response(answer, "moon-a", "moon-b")
    sent = platform.second.log()[0]["body"]
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert sent["messages"][2]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"word": "moon"}'}
    assert (sent["messages"][3]["tool_call_id"], sent["messages"][3]["content"]) == ("c1", "round")
    assert (sent["temperature"], sent["top_k"]) == (0.5, 5)
    assert sent["tools"][0]["function"]["name"] == "look_up"


def test_the_next_engine_may_call_a_tool(platform: Platform, key: Key) -> None:
    platform.primary.script(cut_after=7)
    platform.second.script(tool_call="look_up")
    events = events_of(ask(platform, key, stream=True, tools=[TOOL]))
    response = events[-1]["response"]
    said, call = response["output"]
    assert (said["content"][0]["text"], response["status"]) == (numbered(3), "completed")
    assert (call["type"], call["name"], json.loads(call["arguments"])) == (
        *("function_call", "look_up"),
        {"word": "fake engine"},
    )
    indices = [event["output_index"] for event in events if "output_index" in event]
    assert indices == sorted(indices) and set(indices) == {0, 1}


def test_structured_output_is_asked_anew_and_only_the_rest_is_forwarded(platform: Platform, key: Key) -> None:
    platform.primary.script(cut_after=5)
    events = events_of(ask(platform, key, stream=True, text={"format": {"type": "json_object"}}))
    assert json.loads(text_of(events)) == {"engine": "fake engine"}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == text_of(events)
    sent = platform.second.log()[0]["body"]
    assert sent["response_format"] == {"type": "json_object"}
    assert "continue_final_message" not in sent


INSIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a call's arguments": ({"tool_call": "look_up", "cut_after": 4}, {"tools": [TOOL]}),
    "a thought": ({"thoughts": ["Hm", ", well"], "cut_after": 4}, {}),
    "after a thought": ({"thoughts": ["Hm", ", well"], "cut_after": 10}, {}),
    "with logprobs": ({"cut_after": 7}, {"include": ["message.output_text.logprobs"]}),
}


@pytest.mark.parametrize(("script", "fields"), INSIDE.values(), ids=INSIDE.keys())
def test_what_cannot_be_glued_is_an_error(
    platform: Platform, desk: Desk, key: Key, script: dict[str, Any], fields: dict[str, Any]
) -> None:
    platform.primary.script(**script)
    assert_error(ask(platform, key, stream=True, **fields))
    assert platform.second.log() == platform.claude.log() == []
    assert bill(desk, key).outcome == "failed"


def test_with_all_engines_gone_it_is_an_error(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=7, times=1)
    platform.primary.script(status=503)
    platform.second.script(reset=True)
    platform.claude.script(status=529)
    events = assert_error(ask(platform, key, stream=True))
    assert text_of(events) == numbered(3)
    row = bill(desk, key)
    assert (row.outcome, row.output_tokens, row.estimated) == ("failed", 3, True)
    with pytest.raises(openai.NotFoundError):
        platform.client(key.secret).responses.retrieve(events[0]["response"]["id"])


@pytest.mark.parametrize("cut_after", [12, 13, 14, 15])
def test_a_text_that_was_whole_gets_its_end(platform: Platform, key: Key, cut_after: int) -> None:
    """Wherever among its last events it was cut; and nobody is asked for what has been said to be whole."""
    platform.primary.script(cut_after=cut_after, times=1)
    events = events_of(ask(platform, key, stream=True))
    assert text_of(events).startswith(numbered(8))
    assert events[-1]["type"] == "response.incomplete"
    assert [event["type"].removeprefix("response.") for event in events[-4:]] == CLOSING
    assert len(platform.second.log()) == (1 if cut_after == 12 else 0)


def test_claudes_garbage_is_no_end(platform: Platform, key: Key) -> None:
    """LiteLLM would end the answer itself."""
    for engine in (platform.primary, platform.second):
        engine.script(status=503)
    platform.claude.script(malformed_after=6)
    assert text_of(assert_error(ask(platform, key, stream=True))) == numbered(3)
