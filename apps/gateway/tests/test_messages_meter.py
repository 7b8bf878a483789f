"""What a meter reads from Anthropic's dialect, and what it makes of a stream that tells too little or breaks."""

from typing import Any

import msgspec
import pytest

from apps.gateway.metering import MalformedEventError
from apps.gateway.wires.messages import MESSAGES, MessagesMeter


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def delta(text: str, kind: str = "text") -> bytes:
    return event("content_block_delta", index=0, delta={"type": f"{kind}_delta", kind: text})


USAGE = {"input_tokens": 5, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 7, "output_tokens": 1}
START = event("message_start", message={"id": "msg_1", "model": "moon", "content": [], "usage": USAGE})
OPENING = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
PING = event("ping")
CLOSING = event("content_block_stop", index=0)
END = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 9})
STOP = event("message_stop")
WHOLE = [START, OPENING, PING, delta("The"), delta(" moon"), CLOSING, END, STOP]


def read(meter: MessagesMeter, data: bytes) -> bytes:
    return meter.read(data, include_usage=True)


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "one by one"])
def test_a_stream_is_passed_as_it_is_and_counted_with_what_was_cached(together: bool) -> None:
    meter = MessagesMeter(prompt_estimate=1)
    shown = read(meter, b"".join(WHOLE)) if together else b"".join(read(meter, one) for one in WHOLE)
    meter.close()

    assert shown == b"".join(WHOLE)
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens) == (42, 30, 9)
    assert (meter.done, meter.finished, meter.broken, meter.estimated) == (True, True, None, False)
    assert meter.said == ["The", " moon"]


def test_an_engine_that_counts_at_the_end_only() -> None:
    """vLLM, and LiteLLM's translation."""
    start = event("message_start", message={"usage": {"input_tokens": 0, "output_tokens": 0}})
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"input_tokens": 8, "output_tokens": 3})
    meter = MessagesMeter(prompt_estimate=1)
    done = b"data: [DONE]\n\n"
    assert read(meter, start + delta("a") + end + STOP + done) == start + delta("a") + end + STOP
    assert (meter.input_tokens, meter.output_tokens, meter.done) == (8, 3, True)


def test_thoughts_and_a_tools_input_are_part_of_what_was_said() -> None:
    meter = MessagesMeter(prompt_estimate=1)
    tool = event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a":1}'})
    signature = event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "xyz"})
    read(meter, START + delta("Hm", "thinking") + signature + tool)
    assert "".join(meter.said) == 'Hm{"a":1}'


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "one by one"])
def test_a_stream_that_breaks_off_has_told_its_input_and_is_charged_for_what_came(together: bool) -> None:
    meter = MessagesMeter(prompt_estimate=1)
    events = WHOLE[:5]
    for part in [b"".join(events)] if together else events:
        read(meter, part)
    meter.close()
    assert not meter.finished
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens, meter.estimated) == (42, 30, 2, True)


def test_long_deltas_are_not_one_token_each() -> None:
    meter = MessagesMeter(prompt_estimate=7, characters_per_token=4)
    read(meter, delta("word " * 400) + delta("word " * 400))
    meter.close()
    assert (meter.input_tokens, meter.output_tokens) == (7, 1000)


def test_nothing_is_charged_for_a_beginning_without_an_answer() -> None:
    meter = MessagesMeter(prompt_estimate=1)
    read(meter, START + PING)
    meter.close()
    assert meter.output_tokens == 0


OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


@pytest.mark.parametrize(
    "bad",
    [
        OVERLOADED,
        STOP,
        b"event: content_block_delta\ndata: {\n\n",
        b"event: content_block_delta\ndata: <html>\n\n",
        b"event: content_block_delta\ndata: {}, {}\n\n",
        b'event: content_block_delta\ndata: {"delta":{"text":"\xff"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":-1}}\n\n',
        b'data: {"error":{"message":"boom"}}\n\n',
        b"data: " + b"[" * 5000 + b"]" * 5000 + b"\n\n",
    ],
    ids=["overloaded", "stopped too early", "cut", "HTML", "two", "no UTF-8", "negative", "OpenAI's error", "deep"],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one read", "one by one"])
def test_what_came_before_a_bad_event_is_shown(bad: bytes, together: bool) -> None:
    meter = MessagesMeter(prompt_estimate=1)
    events = [START, delta("a"), bad]
    shown = read(meter, b"".join([*events, delta("b")])) if together else b"".join(read(meter, one) for one in events)
    assert shown == START + delta("a")
    assert isinstance(meter.broken, MalformedEventError)
    assert not meter.done


def test_events_in_other_forms_are_read_too() -> None:
    meter = MessagesMeter(prompt_estimate=1)
    start = b'event:message_start\ndata:{"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n'
    assert read(meter, b": waiting\n\n" + start + b"\n\n") == b": waiting\n\n" + start
    assert read(meter, b"event: nothing\n\n") == b""
    assert meter.input_tokens == 3


def test_words_of_the_protocol_in_a_text_are_a_text() -> None:
    meter = MessagesMeter(prompt_estimate=1)
    data = b"".join(delta(text) for text in ("error", '"error"', "message_stop", "event: error\ndata: {}\n\n"))
    assert read(meter, data) == data
    assert meter.broken is None
    assert not meter.done


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"error","error":{"type":"overloaded_error"}}',
        b'{"type":"message","error":"x"}',
    ],
)
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(MalformedEventError):
        MessagesMeter(prompt_estimate=1).read_body(body)


def test_a_whole_answer() -> None:
    meter = MessagesMeter(prompt_estimate=1)
    meter.read_body(
        msgspec.json.encode({"type": "message", "content": [{"type": "text", "text": "a"}], "usage": USAGE})
    )
    meter.close()
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens) == (42, 30, 1)
    uncounted = MessagesMeter(prompt_estimate=7)
    uncounted.read_body(b'{"type":"message","content":[{"type":"text","text":"abcdefgh"}]}')
    uncounted.close()
    assert (uncounted.input_tokens, uncounted.estimated) == (7, True)
    assert uncounted.output_tokens > 0


def test_the_model_is_named_as_the_caller_named_it_and_a_tools_input_is_left_alone() -> None:
    renamed = MESSAGES.renaming("claude-haiku-4-5", "moon")
    block = {"type": "tool_use", "input": {"model": "claude-haiku-4-5"}}
    whole = {"type": "message", "content": [block], "model": "claude-haiku-4-5-20251001", "usage": USAGE}
    start = event("message_start", message={"model": "claude-haiku-4-5-20251001", "content": [], "usage": USAGE})
    text = delta('"model":"claude-haiku-4-5", "message_start", message_start')

    assert msgspec.json.decode(renamed(msgspec.json.encode(whole))) == whole | {"model": "moon"}
    assert renamed(start + text) == start.replace(b"claude-haiku-4-5-20251001", b"moon") + text
    assert renamed(text) == text
