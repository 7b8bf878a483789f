"""What a meter reads from an engine's stream, and what it makes of one that tells too little."""

import pytest

from apps.gateway.metering import MalformedEventError, Meter


def passed(meter: Meter, frame: bytes, *, include_usage: bool = False) -> bytes | None:
    return meter.passed(frame, include_usage=include_usage)


def chunk(text: str, finish: str = "null") -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}' % (
        text.encode(),
        finish.encode(),
    )


def test_long_chunks_of_a_provider_are_not_one_token_each() -> None:
    meter = Meter(prompt_estimate=7, characters_per_token=4)
    for _ in range(2):
        passed(meter, chunk("word " * 400))
    meter.close()
    assert (meter.input_tokens, meter.output_tokens, meter.estimated) == (7, 1000, True)


def test_our_engines_chunks_are_tokens() -> None:
    meter = Meter(prompt_estimate=7)
    for word in ("", "The", " moon", " is"):
        passed(meter, chunk(word))
    meter.close()
    assert meter.output_tokens == 3


def test_the_data_of_an_event_of_several_lines_counts() -> None:
    meter = Meter(prompt_estimate=1)
    assert passed(meter, b"event: chunk\n" + chunk("a")) == chunk("a")
    assert passed(meter, b": ping\n" + chunk("b")) == chunk("b")
    assert passed(meter, b": ping") == b": ping"
    assert passed(meter, b"event: nothing") is None
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
        passed(Meter(prompt_estimate=1), b"data: " + payload)
    with pytest.raises(MalformedEventError):
        Meter(prompt_estimate=1).read_body(payload)


def test_the_end_is_the_end_of_every_choice() -> None:
    meter = Meter(prompt_estimate=1)
    passed(meter, b'data: {"choices":[{"index":0},{"index":1}]}')
    passed(meter, b'data: {"choices":[{"index":1,"finish_reason":"stop"}]}')
    assert not meter.finished
    passed(meter, b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}')
    assert meter.finished
