"""What the meter reads from a stream of typed events, and what it makes of one that tells too little."""

import json
from typing import Any

import pytest

from apps.gateway.metering import MalformedEventError
from apps.gateway.wires import WIRES
from apps.gateway.wires.responses import ResponsesMeter

USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 9,
}
ITEM = {"type": "message", "content": []}


def event(kind: str, number: int | None = None, **fields: Any) -> bytes:
    numbered = {} if number is None else {"sequence_number": number}
    return b"event: %s\ndata: %s" % (kind.encode(), json.dumps({"type": kind, **numbered, **fields}).encode())


def finished(kind: str = "completed", **fields: Any) -> bytes:
    response = {"status": kind, "output": [ITEM], "usage": USAGE, "error": None, **fields}
    return event(f"response.{kind}", response=response)


CREATED = event("response.created", 0, response={"status": "in_progress", "output": [], "usage": None})
DELTAS = [event("response.output_text.delta", number + 1, delta=text) for number, text in enumerate(("The", " moon"))]


def together(*frames: bytes) -> bytes:
    return b"".join(frame + b"\n\n" for frame in frames)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one read", "one by one"])
@pytest.mark.parametrize("kind", ["completed", "incomplete"])
def test_events_are_read_alike_however_they_come(at_once: bool, kind: str) -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    frames = [CREATED, *DELTAS, finished(kind)]
    reads = [together(*frames)] if at_once else [together(frame) for frame in frames]
    assert b"".join(meter.read(read, include_usage=False) for read in reads) == together(*frames)
    assert (meter.done, meter.finished, meter.broken, meter.said) == (True, True, None, ["The", " moon"])
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens, meter.estimated) == (7, 4, 2, False)
    assert meter.ending() == b""


@pytest.mark.parametrize("more", [b"data: [DONE]", DELTAS[0]])
def test_nothing_follows_the_end(more: bytes) -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    whole = together(CREATED, *DELTAS, finished())
    assert meter.read(whole + together(more), include_usage=False) == whole


def test_events_of_one_line_and_comments_are_read_too() -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    bare = DELTAS[0].split(b"\n")[1]
    assert meter.read(together(b": ping", bare, b"event: nothing"), include_usage=False) == together(b": ping", bare)
    assert meter.said == ["The"]


@pytest.mark.parametrize(
    "bad",
    [
        b"data: <html>",
        b'event: x\ndata: {"type":"x"},{"type":"y"}',
        b"data: [DONE]",
        event("error", message="boom"),
        event("response.failed", response={"status": "failed", "error": {"code": "x"}, "output": []}),
        event("response.completed"),
        finished(status="in_progress"),
        finished(error={"code": "server_error"}),
        finished(output=None),
        finished(usage={"input_tokens": -1}),
        finished(usage={"input_tokens": 1, "output_tokens": 99999999999}),
        event("response.output_text.delta", delta=5),
    ],
)
def test_what_came_before_a_bad_event_is_shown(bad: bytes) -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    shown = meter.read(together(CREATED, *DELTAS, bad, finished()), include_usage=False)
    assert shown == together(CREATED, *DELTAS)
    assert isinstance(meter.broken, MalformedEventError)
    assert not meter.done
    meter.close()
    assert (meter.input_tokens, meter.output_tokens, meter.estimated) == (1, 2, True)


def test_an_error_goes_on_counting_the_events() -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    meter.read(together(CREATED, *DELTAS), include_usage=False)
    kind, data = meter.error_event("It broke.", code="engine_failed", request_id="req_1").strip().split(b"\n")
    assert kind == b"event: error"
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "error",
        "sequence_number": 3,
        "code": "engine_failed",
        "message": "It broke.",
        "param": None,
        "request_id": "req_1",
    }


def test_a_whole_response_is_counted() -> None:
    meter = ResponsesMeter(prompt_estimate=1)
    meter.read_body(json.dumps({"status": "completed", "output": [ITEM], "usage": USAGE, "error": None}).encode())
    assert (meter.input_tokens, meter.cached_input_tokens, meter.output_tokens) == (7, 4, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'["moon"]',
        b"{}",
        b'{"error":{"message":"boom"}}',
        b'{"status":"failed","output":[],"error":{"code":"server_error"}}',
        b'{"status":"queued","output":[]}',
        b'{"id":"chatcmpl-1","choices":[]}',
    ],
)
def test_what_is_no_response_is_the_engines_fault(body: bytes) -> None:
    with pytest.raises(MalformedEventError):
        ResponsesMeter(prompt_estimate=1).read_body(body)


def test_a_stream_needs_not_ask_for_its_count() -> None:
    made = WIRES["responses"].payload({"input": "a"}, model="m", stream=True, running=True)
    assert made == {"model": "m", "input": "a", "stream": True}
