"""What a meter reads from an engine's stream, and what it makes of one that tells too little."""

import pytest

from apps.gateway.metering import MalformedEventError, Meter
from apps.gateway.wires.openai import OpenAIMeter


def passed(meter: Meter, *frames: bytes, include_usage: bool = False) -> bytes:
    """What the caller gets of events that came together, without the last empty line. Raises what broke the stream."""
    shown = meter.read(b"".join(frame + b"\n\n" for frame in frames), include_usage=include_usage)
    if meter.broken:
        raise meter.broken
    return shown[:-2]


def chunk(text: str, finish: str = "null") -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}' % (
        text.encode(),
        finish.encode(),
    )


def test_long_chunks_of_a_provider_are_not_one_token_each() -> None:
    meter = OpenAIMeter(prompt_estimate=7, characters_per_token=4)
    for _ in range(2):
        passed(meter, chunk("word " * 400))
    meter.close()
    assert (meter.input_tokens, meter.output_tokens, meter.estimated) == (7, 1000, True)


def test_our_engines_chunks_are_tokens() -> None:
    meter = OpenAIMeter(prompt_estimate=7)
    for word in ("", "The", " moon", " is"):
        passed(meter, chunk(word))
    meter.close()
    assert meter.output_tokens == 3


def test_the_data_of_an_event_of_several_lines_counts() -> None:
    meter = OpenAIMeter(prompt_estimate=1)
    assert passed(meter, b"event: chunk\n" + chunk("a")) == chunk("a")
    assert passed(meter, b": ping\n" + chunk("b")) == chunk("b")
    assert passed(meter, b": ping") == b": ping"
    assert passed(meter, b"event: nothing") == b""
    assert meter.chunks == 2


@pytest.mark.parametrize(
    "payload",
    [
        b"<html>",
        b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"choices":[{"text":"\xff"}]}',
        b'{"usage":{"prompt_tokens":-1}}',
        b'{"usage":{"prompt_tokens":99999999999}}',
        b'{"error":{"message":"boom"}}',
    ],
)
def test_garbage_is_the_engines_fault(payload: bytes) -> None:
    with pytest.raises(MalformedEventError):
        passed(OpenAIMeter(prompt_estimate=1), b"data: " + payload)
    with pytest.raises(MalformedEventError):
        OpenAIMeter(prompt_estimate=1).read_body(payload)


def test_the_end_is_the_end_of_every_choice() -> None:
    meter = OpenAIMeter(prompt_estimate=1)
    passed(meter, b'data: {"choices":[{"index":0},{"index":1}]}')
    passed(meter, b'data: {"choices":[{"index":1,"finish_reason":"stop"}]}')
    assert not meter.finished
    passed(meter, b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}')
    assert meter.finished


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
RUNNING = b'data: {"choices":[{"index":0,"delta":{"content":"b"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
DONE = b"data: [DONE]"


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "one by one"])
@pytest.mark.parametrize("include_usage", [True, False])
def test_events_are_read_alike_however_they_come(together: bool, include_usage: bool) -> None:
    meter = OpenAIMeter(prompt_estimate=1)
    events = [chunk("a"), RUNNING, chunk("c", '"stop"'), USAGE, DONE]
    if together:
        shown = passed(meter, *events, include_usage=include_usage).split(b"\n\n")
    else:
        shown = [found for event in events if (found := passed(meter, event, include_usage=include_usage))]
    without_count = b'data: {"choices":[{"index":0,"delta":{"content":"b"}}]}'
    rest = [USAGE, DONE] if include_usage else [DONE]
    assert shown == [chunk("a"), without_count, chunk("c", '"stop"'), *rest]
    assert (meter.input_tokens, meter.output_tokens, meter.chunks) == (3, 2, 3)
    assert (meter.done, meter.finished, meter.said) == (True, True, ["a", "b", "c"])


@pytest.mark.parametrize(
    "bad",
    [b"data: <html>", b'data: {"error":{"message":"boom"}}', b"data: {}, {}", b"data: {}]", DONE],
    ids=["HTML", "an error", "two objects in one", "a bracket", "done too early"],
)
def test_what_came_before_a_bad_event_is_shown(bad: bytes) -> None:
    meter = OpenAIMeter(prompt_estimate=1)
    shown = meter.read(b"\n\n".join([chunk("a"), chunk("b"), bad, chunk("c"), b""]), include_usage=False)
    assert shown == chunk("a") + b"\n\n" + chunk("b") + b"\n\n"
    assert isinstance(meter.broken, MalformedEventError)
