"""What another engine says in chat, written as the rest of a message or of a response, from wherever it broke off."""

from typing import Any

import msgspec
import pytest

from apps.gateway.metering import Meter
from apps.gateway.tests.test_messages_meter import OPENING, START, delta
from apps.gateway.wires import WIRES
from inference.chat import chat_of
from inference.errors import EngineGarbled

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 2},
}
UNTOLD = START.replace(b'"input_tokens":5', b'"input_tokens":0').replace(b"30", b"0").replace(b"7,", b"0,")


def text(part: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": part}}]}


def call(index: int, arguments: str, name: str = "") -> dict[str, Any]:
    named = {"id": f"call_{index}", "type": "function"} if name else {}
    return {
        "choices": [
            {"delta": {"tool_calls": [{"index": index, **named, "function": {"name": name, "arguments": arguments}}]}}
        ]
    }


def end(reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {}, "finish_reason": reason, **more}], "usage": USAGE}


TWO_CALLS = [call(0, "", "look_up"), call(0, '{"a"'), call(0, ":1}"), call(1, "{}", "add"), end("tool_calls")]


def begun(endpoint: str, data: bytes) -> Meter:
    meter = WIRES[endpoint].meter(prompt_estimate=1)
    meter.read(data, include_usage=True)
    return meter


def rest_of(meter: Meter, *chunks: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of the rest, which the meter takes for the end of a whole answer."""
    writer = meter.rest("moon")
    assert writer is not None
    data = b"".join(map(writer.event, chunks)) + writer.done()
    meter.goes_on(meter.so_far())
    assert meter.read(data, include_usage=True) == data
    assert (meter.done, meter.broken) == (True, None)
    return [msgspec.json.decode(frame.split(b"data: ")[1]) for frame in data.removesuffix(b"\n\n").split(b"\n\n")]


@pytest.mark.parametrize(
    ("came", "opens"), [(START, True), (START + OPENING, False), (START + OPENING + delta("The"), False)]
)
def test_a_messages_block_is_begun_once(came: bytes, opens: bool) -> None:
    events = rest_of(begun("messages", came), text(" moon"), end("length"))
    opening = [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    assert events[: len(opening) * opens] == opening * opens
    assert events[opens:] == [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " moon"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {"output_tokens": 5},
            "artemis": None,
        },
        {"type": "message_stop"},
    ]


def test_a_message_tells_the_prompt_where_its_beginning_did_not_and_what_stopped_it() -> None:
    meter = begun("messages", UNTOLD + OPENING + delta("The"))
    told = rest_of(meter, text(" moon"), end(stop_reason="END"))[-2]
    assert told["usage"] == {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5}
    assert told["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens) == (9, 2, 5)


def test_a_message_without_a_count_is_estimated() -> None:
    meter = begun("messages", START + OPENING + delta("The"))
    told = rest_of(meter, text(" moon"), {**end(), "usage": None})[-2]
    assert told["usage"] == {"output_tokens": 2}
    assert meter.estimated


def test_calls_follow_a_messages_text_as_blocks_of_their_own() -> None:
    events = rest_of(begun("messages", START + OPENING + delta("The")), *TWO_CALLS)
    assert [(event["type"].removeprefix("content_block_"), event.get("index")) for event in events] == [
        ("stop", 0),
        *(("start", 1), ("delta", 1), ("delta", 1), ("stop", 1)),
        *(("start", 2), ("delta", 2), ("stop", 2)),
        *(("message_delta", None), ("message_stop", None)),
    ]
    assert events[1]["content_block"] == {"type": "tool_use", "id": "call_0", "name": "look_up", "input": {}}
    assert events[2]["delta"]["partial_json"] + events[3]["delta"]["partial_json"] == '{"a":1}'
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def event(kind: str, number: int, **fields: Any) -> bytes:
    told = {"type": f"response.{kind}", "sequence_number": number, **fields}
    return b"event: response.%b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(told))


CREATED = event("created", 0, response={"status": "in_progress", "output": []})
ITEM = event("output_item.added", 1, output_index=0, item={"type": "message", "id": "msg_1", "content": []})
PART = event("content_part.added", 2, part={"type": "output_text", "text": ""})
SAID = event("output_text.delta", 3, item_id="msg_1", output_index=0, content_index=0, delta="The")
TOLD = event("output_text.done", 4, item_id="msg_1", output_index=0, content_index=0, text="The")
KINDS = [
    *("output_item.added", "content_part.added", "output_text.delta"),
    *("output_text.done", "content_part.done", "output_item.done", "completed"),
]


@pytest.mark.parametrize(
    ("came", "kinds"), [([CREATED], KINDS), ([CREATED, ITEM], KINDS[1:]), ([CREATED, ITEM, PART, SAID], KINDS[2:])]
)
def test_a_response_goes_on_from_each_of_its_stages(came: list[bytes], kinds: list[str]) -> None:
    events = rest_of(begun("responses", b"".join(came)), text(" moon"), end())
    assert [event["type"].removeprefix("response.") for event in events] == kinds
    assert [event["sequence_number"] for event in events] == list(range(len(came), len(came) + len(events)))
    (item,) = events[-1]["response"]["output"]
    whole = "The moon" if len(came) == 4 else " moon"
    assert (item["content"][0]["text"], item["status"]) == (whole, "completed")
    assert len(came) == 1 or item["id"] == "msg_1"
    assert events[-1]["response"]["usage"]["total_tokens"] == 14


def test_calls_follow_a_responses_text_as_items_of_their_own() -> None:
    events = rest_of(begun("responses", CREATED + ITEM + PART + SAID), *TWO_CALLS)
    response = events[-1]["response"]
    assert [(item["type"], item.get("arguments")) for item in response["output"]] == [
        ("message", None),
        ("function_call", '{"a":1}'),
        ("function_call", "{}"),
    ]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in done] == response["output"]
    assert [event["output_index"] for event in done] == [0, 1, 2]


def test_a_text_that_was_closed_is_only_ended() -> None:
    meter = begun("responses", CREATED + ITEM + PART + SAID + TOLD)
    assert meter.is_closed
    kinds = [event["type"].removeprefix("response.") for event in rest_of(meter, end("length"))]
    assert kinds == ["content_part.done", "output_item.done", "incomplete"]


@pytest.mark.parametrize("endpoint", ["messages", "responses"])
@pytest.mark.parametrize("parts", [[call(0, "{}")], [TWO_CALLS[0], TWO_CALLS[3], call(0, "}")]], ids=["none", "other"])
def test_a_part_of_a_call_that_has_not_begun_is_garbage(endpoint: str, parts: list[dict[str, Any]]) -> None:
    writer = begun(endpoint, START if endpoint == "messages" else CREATED).rest("moon")
    assert writer is not None
    with pytest.raises(EngineGarbled):
        for part in parts:
            writer.event(part)


FRAGILE = {
    "a thought": ("messages", START + OPENING.replace(b'"text","text":""', b'"thinking","thinking":""')),
    "a tool": ("messages", START + OPENING.replace(b'"text","text":""', b'"tool_use","id":"t","name":"n","input":{}')),
    "reasoning": ("responses", CREATED + ITEM.replace(b'"message"', b'"reasoning"')),
    "a call": ("responses", CREATED + ITEM.replace(b'"message"', b'"function_call"')),
    "a refusal": ("responses", CREATED + ITEM + PART.replace(b"output_text", b"refusal")),
    "two messages": ("responses", CREATED + ITEM + ITEM),
}


@pytest.mark.parametrize(("endpoint", "came"), FRAGILE.values(), ids=FRAGILE.keys())
def test_what_is_more_than_a_text_is_fragile(endpoint: str, came: bytes) -> None:
    assert begun(endpoint, came).is_fragile


@pytest.mark.parametrize(("endpoint", "came"), [("messages", delta("a")), ("responses", SAID), ("messages", b"")])
def test_a_beginning_without_its_first_events_is_none(endpoint: str, came: bytes) -> None:
    meter = WIRES[endpoint].meter(prompt_estimate=1)
    if came:
        meter.read(came, include_usage=True)
    assert meter.rest("moon") is None


def test_a_picture_goes_along() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    block = {"type": "image", "source": source}
    of_messages = chat_of("messages", {"max_tokens": 8, "messages": [{"role": "user", "content": [block]}]})
    part = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    of_response = chat_of("responses", {"input": [{"type": "message", "role": "user", "content": [part]}]})
    for chat in (of_messages, of_response):
        assert chat["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"
