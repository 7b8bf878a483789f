"""Choices that are asked for apart: one answer, every choice, every token counted once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from inference.apart import MOST_APART, OPENED_AT_ONCE, Apart, Part, open_apart, requests_apart
from inference.client import EngineClient
from inference.errors import EngineGarbled, EngineRefused
from inference.fake.control import FakeServer
from inference.router import Deployment

MESSAGES = [{"role": "user", "content": "Say hello to the moon."}]


@pytest.fixture
async def client() -> AsyncIterator[EngineClient]:
    async with EngineClient() as client:
        yield client


def deployment(fake: FakeServer) -> Deployment:
    return Deployment(
        id="one",
        model_group="moon",
        provider="hosted_vllm",
        upstream_model="moon",
        api_base=f"{fake.base_url}/v1",
        api_key="engine-key",
        one_choice=True,
    )


class Recorded:
    """An upstream that gives these pieces, then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]
        self.closed = False

    async def body(self) -> bytes:
        return b"".join(self.pieces)

    async def read(self) -> bytes:
        return self.pieces.pop(0)

    async def close(self, *, finished: bool = False) -> None:
        self.closed = True


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({"id": "x", "model": "moon", **fields}).encode() + b"\n\n"


async def events_of(apart: Apart) -> list[dict[str, Any]]:
    data = b""
    while piece := await apart.read():
        data += piece
    frames = data.strip().split(b"\n\n")
    assert frames.pop() == b"data: [DONE]"
    return [json.loads(frame.removeprefix(b"data: ")) for frame in frames]


def test_each_choice_of_each_prompt_is_a_request() -> None:
    payload = {"model": "moon", "prompt": ["a", "b"], "n": 2, "best_of": 2, "seed": 7, "max_tokens": 3}
    requests, choices = requests_apart(payload)

    rest = {"model": "moon", "max_tokens": 3}
    assert choices == 2
    assert requests == [
        {**rest, "prompt": "a", "seed": 7},
        {**rest, "prompt": "a", "seed": 8},
        {**rest, "prompt": "b", "seed": 7},
        {**rest, "prompt": "b", "seed": 8},
    ]


@pytest.mark.parametrize(("prompt", "requests"), [("a", 1), ([1, 2], 1), ([[1, 2], [3]], 2)])
def test_tokens_are_one_prompt_or_several(prompt: Any, requests: int) -> None:
    assert len(requests_apart({"prompt": prompt})[0]) == requests


async def test_a_whole_answer_has_every_choice(fake: FakeServer, client: EngineClient) -> None:
    payload = {"model": "moon", "messages": MESSAGES, "n": 3, "max_tokens": 4}
    upstream = await open_apart(client, deployment(fake), "/chat/completions", payload, stream=False)
    answer = json.loads(await upstream.body())
    await upstream.close(finished=True)

    usage = answer["usage"]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert usage["completion_tokens"] == 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + 12


async def test_a_stream_has_every_choice_and_one_count_at_its_end(fake: FakeServer, client: EngineClient) -> None:
    payload = {
        "model": "moon",
        "messages": MESSAGES,
        "n": 2,
        "max_tokens": 4,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    upstream = await open_apart(client, deployment(fake), "/chat/completions", payload, stream=True)
    *chunks, last = await events_of(upstream)
    await upstream.close(finished=True)

    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0, 1}
    assert len({chunk["id"] for chunk in [*chunks, last]}) == 1
    assert not any("usage" in chunk for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 8


async def test_a_usage_beside_the_last_choice_comes_after_it() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}
    one = event(choices=[{"index": 0, "text": "Hi"}])
    two = event(choices=[{"index": 0, "text": "", "finish_reason": "stop"}], usage=usage, timings={"cache_n": 4})
    stream = one + two + b"data: [DONE]\n\n"
    *chunks, last = await events_of(Apart([Part(0, Recorded(stream[:30], stream[30:]), billed=True)]))

    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Hi", ""]
    assert not any(name in chunk for chunk in chunks for name in ("usage", "timings"))
    assert last["usage"] == {**usage, "total_tokens": 6}


async def test_a_part_that_is_cut_spoils_the_whole() -> None:
    whole = Recorded(event(choices=[{"index": 0, "finish_reason": "stop"}]) + b"data: [DONE]\n\n")
    cut = Recorded(event(choices=[{"index": 0}]))
    apart = Apart([Part(0, whole, billed=True), Part(1, cut, billed=False)])

    with pytest.raises(EngineGarbled):
        await events_of(apart)
    await apart.close()
    assert whole.closed
    assert cut.closed


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "out of memory"}}',
        b'{"choices": []}',
        b'{"choices": 1}',
        b'{"choices": [null]}',
        b'{"choices": [{}], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [{"text": "\xff"}]}',
        b'{"choices": ' + b"[" * 100_000,
    ],
)
async def test_an_answer_that_is_none_is_garbled(body: bytes) -> None:
    whole = Apart([Part(0, Recorded(body), billed=True)])
    with pytest.raises(EngineGarbled):
        await whole.body()


async def test_an_event_that_is_none_is_garbled() -> None:
    stream = Apart([Part(0, Recorded(b'data: {"choices": ["\xff"]}\n\n'), billed=True)])
    with pytest.raises(EngineGarbled):
        await stream.read()
    await stream.close()


async def test_a_few_are_opened_at_once(fake: FakeServer, client: EngineClient) -> None:
    fake.script(header_delay=0.2)
    payload = {"model": "moon", "messages": MESSAGES, "n": MOST_APART, "max_tokens": 1}
    opening = asyncio.create_task(open_apart(client, deployment(fake), "/chat/completions", payload, stream=False))
    most = 0
    while not opening.done():
        most = max(most, sum(not entry["finished"] for entry in fake.log()))
        await asyncio.sleep(0.02)
    answer = json.loads(await (await opening).body())

    assert most == OPENED_AT_ONCE
    assert len(answer["choices"]) == MOST_APART


async def test_a_refusal_of_one_is_a_refusal_of_all(fake: FakeServer, client: EngineClient) -> None:
    payload = {"model": "moon", "messages": [], "n": 2}
    with pytest.raises(EngineRefused):
        await open_apart(client, deployment(fake), "/chat/completions", payload, stream=False)
