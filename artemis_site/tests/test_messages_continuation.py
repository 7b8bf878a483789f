"""A stream in Anthropic's dialect whose engine fails in the middle goes on elsewhere: one message, one bill."""

import json
from typing import Any

import anthropic
import httpx
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.messages import ASKED, PROMPT, PROMPT_TOKENS, TOOL, numbered, text_of
from artemis_site.tests.platform import CLAUDE, MODEL, Platform

# After the message's start, its block's, a ping, and three tokens.
BREAKS: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 6},
    "stalled": {"stall_after": 6},
    "malformed": {"malformed_after": 6},
    "an endless line": {"malformed_after": 6, "malformed": "long_line"},
    "an error inside": {"error_after": 6},
    "cut in pieces": {"cut_after": 6, "split_bytes": 7},
    "dead": {"exit_after": 6},
}
WAY = ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


def ask(platform: Platform, key: Key, **fields: Any) -> httpx.Response:
    return platform.post("/v1/messages", api_key=key.secret, json=ASKED | {"stream": True} | fields)


def events_of(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    events = []
    for frame in answer.text.removesuffix("\n\n").split("\n\n"):
        kind, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {events[-1]['type']}"
    return events


def deltas_of(events: list[Any]) -> str:
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


def assert_one_whole_message(answer: httpx.Response, *deployments: str, counted: bool = True) -> list[Any]:
    """`counted`: else what the first engine said is estimated by its length, for it sends no token a chunk."""
    events = events_of(answer)
    assert [event["type"] for event in events if event["type"] not in ("content_block_delta", "ping")] == WAY
    assert deltas_of(events) == numbered(8)
    assert {event["index"] for event in events if "index" in event} == {0}
    end = events[-2]
    assert end["delta"]["stop_reason"] == "max_tokens"
    assert end["usage"]["output_tokens"] == 8 if counted else end["usage"]["output_tokens"] > 8
    assert end["artemis"] == {"deployments": list(deployments)}
    return events


def assert_error(answer: httpx.Response) -> list[Any]:
    events = events_of(answer)
    kinds = [event["type"] for event in events]
    assert (kinds[-1], kinds.count("error")) == ("error", 1)
    assert events[-1]["error"]["code"] == "engine_failed"
    assert not {"message_delta", "message_stop"} & set(kinds)
    return events


def assert_billed_once(desk: Desk, key: Key, deployment: str, outcome: str = "completed", output: int = 8) -> None:
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.deployment, request.endpoint) == (outcome, deployment, "messages")
    assert (request.input_tokens, request.output_tokens) == (PROMPT_TOKENS, output)
    assert request.cost == PROMPT_TOKENS * 1000 + output * 2000


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS.keys())
def test_the_next_engine_goes_on(platform: Platform, desk: Desk, key: Key, broken: dict[str, Any]) -> None:
    platform.primary.script(**broken, times=1)
    try:
        answer = ask(platform, key)
    finally:
        if "exit_after" in broken:
            platform.primary.wait_dead()
            platform.primary.start()
    events = assert_one_whole_message(answer, "moon-a", "moon-b")
    assert events[0]["message"]["model"] == MODEL

    (entry,) = platform.second.log()
    sent = entry["body"]
    assert entry["path"] == "/v1/chat/completions"
    assert [(message["role"], message["content"]) for message in sent["messages"]] == [
        ("user", PROMPT),
        ("assistant", numbered(3)),
    ]
    assert (sent["continue_final_message"], sent["add_generation_prompt"], sent["max_tokens"]) == (True, False, 5)
    assert_billed_once(desk, key, "moon-a+moon-b")


def test_the_client_gathers_the_whole_message(
    platform: Platform, key: Key, anthropic_client: anthropic.Anthropic
) -> None:
    platform.primary.script(cut_after=6)
    platform.second.script(cut_after=3)
    with anthropic_client.messages.stream(**ASKED) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert (kinds.count("message_start"), kinds[-1]) == (1, "message_stop")
    assert (text_of(message), message.model, message.stop_reason) == (numbered(8), MODEL, "max_tokens")
    assert len(message.content) == 1
    assert (message.usage.input_tokens, message.usage.output_tokens) == (PROMPT_TOKENS, 8)


def test_claude_goes_on_with_what_both_own_engines_left(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=6)
    platform.second.script(cut_after=3)
    assert_one_whole_message(ask(platform, key), "moon-a", "moon-b", "claude")
    (entry,) = platform.claude.log()
    assert entry["body"]["messages"][-1]["role"] == "assistant"
    assert_billed_once(desk, key, "moon-a+moon-b+claude")


@pytest.mark.parametrize("prefills", [True, False], ids=["with a beginning", "asked anew"])
def test_claude_goes_on_with_its_own_stream(platform: Platform, desk: Desk, key: Key, prefills: bool) -> None:
    platform.claude.script(cut_after=6, times=1)
    if not prefills:
        error = {"type": "invalid_request_error", "message": "This model does not support assistant message prefill."}
        platform.claude.script(status=400, times=1, body={"type": "error", "error": error})
    assert_one_whole_message(ask(platform, key, model=CLAUDE), "claude", "claude", counted=not prefills)
    assert len(platform.claude.log()) == (2 if prefills else 3)
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.input_tokens) == ("completed", PROMPT_TOKENS)


def test_a_translated_stream_goes_on(platform: Platform, key: Key, translated: str) -> None:
    platform.primary.script(cut_after=4, times=1)
    events = assert_one_whole_message(ask(platform, key, model=translated), translated, translated, counted=False)
    assert events[-2]["usage"]["input_tokens"] > 0  # LiteLLM's beginning tells none


def test_all_of_the_question_goes_along(platform: Platform, key: Key) -> None:
    asked = [
        {"role": "user", "content": [{"type": "text", "text": PROMPT}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "tool_use", "id": "t1", "name": "look_up" * 11, "input": {"word": "moon"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "round"}]},
    ]
    platform.primary.script(cut_after=6)
    answer = ask(
        platform,
        key,
        messages=asked,
        system="Be brief.",
        stop_sequences=["END"],
        temperature=0.5,
        tools=[TOOL | {"name": "look_up" * 11}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )
    assert_one_whole_message(answer, "moon-a", "moon-b")
    sent = platform.second.log()[0]["body"]
    system, _, called, result, begun = sent["messages"]
    assert (system["role"], system["content"]) == ("system", "Be brief.")
    assert called["tool_calls"][0]["function"] == {"name": "look_up" * 11, "arguments": '{"word": "moon"}'}
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "t1", "round")
    assert begun == {"role": "assistant", "content": numbered(3)}
    assert (sent["stop"], sent["temperature"], sent["parallel_tool_calls"]) == (["END"], 0.5, False)
    assert sent["tools"][0]["function"]["name"] == "look_up" * 11


def test_the_next_engine_may_call_a_tool(platform: Platform, key: Key, anthropic_client: anthropic.Anthropic) -> None:
    platform.primary.script(cut_after=6)
    platform.second.script(tool_call="look_up")
    with anthropic_client.messages.stream(**ASKED, tools=[TOOL]) as stream:
        message = stream.get_final_message()
    text, call = message.content
    assert (text.type, text_of(message)) == ("text", numbered(3))
    assert call.type == "tool_use"
    assert (call.name, call.input, message.stop_reason) == ("look_up", {"word": "fake engine"}, "tool_use")


INSIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a tool's input": ({"tool_call": "look_up", "cut_after": 4}, {"tools": [TOOL]}),
    "a thought": ({"thoughts": ["Hm", ", well"], "cut_after": 4}, {}),
    "after a thought": ({"thoughts": ["Hm", ", well"], "cut_after": 8}, {}),
    "after a text that a call may follow": ({"cut_after": 12}, {"tools": [TOOL]}),
}


@pytest.mark.parametrize(("script", "fields"), INSIDE.values(), ids=INSIDE.keys())
def test_what_cannot_be_glued_is_an_error(
    platform: Platform, desk: Desk, key: Key, script: dict[str, Any], fields: dict[str, Any]
) -> None:
    platform.primary.script(**script)
    assert_error(ask(platform, key, **fields))
    assert platform.second.log() == platform.claude.log() == []
    assert desk.bill(key, requests=1).requests[0].outcome == "failed"


def test_with_all_engines_gone_it_is_an_error(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=6, times=1)
    platform.primary.script(status=503)
    platform.second.script(reset=True)
    platform.claude.script(status=529)
    events = assert_error(ask(platform, key))
    said = deltas_of(events)
    assert numbered(8).startswith(said) and said != numbered(8)
    (request,) = desk.bill(key, requests=1).requests
    assert (request.outcome, request.output_tokens) == ("failed", said.count("token"))
    assert request.cost == PROMPT_TOKENS * 1000 + request.output_tokens * 2000


@pytest.mark.parametrize(
    "rest", [{"thoughts": ["Hm"]}, {"tool_call": "look_up", "cut_after": 3}], ids=["thinks", "cut"]
)
def test_a_rest_that_is_none_is_not_glued_on(platform: Platform, key: Key, rest: dict[str, Any]) -> None:
    """An engine that thinks where it should go on, or whose own call of a tool is cut."""
    platform.primary.script(cut_after=6, times=1)
    platform.primary.script(status=503)
    platform.second.script(**rest)
    platform.claude.script(status=529)
    assert deltas_of(assert_error(ask(platform, key, tools=[TOOL]))) == numbered(3)


def test_a_text_that_was_whole_gets_its_end_and_asks_nobody(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(cut_after=12)
    events = events_of(ask(platform, key))
    assert (deltas_of(events), events[-1]["type"]) == (numbered(8), "message_stop")
    assert (events[-2]["delta"]["stop_reason"], events[-2]["usage"]) == ("max_tokens", {"output_tokens": 8})
    assert platform.second.log() == []
    assert_billed_once(desk, key, "moon-a")


def test_garbage_in_place_of_the_first_event_is_asked_elsewhere(platform: Platform, desk: Desk, key: Key) -> None:
    platform.primary.script(malformed_after=0)
    events = events_of(ask(platform, key))
    assert (deltas_of(events), events[0]["type"], events[-1]["type"]) == (numbered(8), "message_start", "message_stop")
    assert [entry["path"] for entry in platform.second.log()] == ["/v1/messages"]
    assert_billed_once(desk, key, "moon-a+moon-b")
