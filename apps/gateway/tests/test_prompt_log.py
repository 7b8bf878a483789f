"""What a gateway hears is bounded, sealed, and never in the way."""

import asyncio
import random
import zlib
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisAway

from apps.common.redis import async_redis, sync_redis
from apps.common.sealing import unseal_bytes
from apps.gateway.contracts import Call
from apps.gateway.prompt_log import MOST_HEARD, MOST_LISTED, MOST_OF_ALL, MOST_TEXT, MOST_WHOLE, Ear, ear_for
from apps.gateway.tests.test_attempts import MODEL
from apps.gateway.tests.test_hardness import FACTS
from apps.prompts.contracts import MOST_BYTES, MOST_WAITING, QUEUE, Heard
from apps.prompts.tests.conftest import empty_queue

__all__ = ["empty_queue"]
NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Bench:
    """As much of a Runtime as an ear needs."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis
        self.work: list[Coroutine[Any, Any, Any]] = []

    def keep(self, work: Coroutine[Any, Any, Any]) -> None:
        self.work.append(work)

    async def finish(self) -> None:
        await asyncio.gather(*self.work)
        if hasattr(self.redis, "aclose"):
            await self.redis.aclose()


class Away:
    async def llen(self, name: str) -> int:
        raise RedisAway("away")


def a_call(**fields: Any) -> Call:
    known = {"endpoint": "chat.completions", "key": FACTS, "model": MODEL, "payload": {}, **fields}
    return Call(request_id="req_1", address="", prompt_bytes=1, **known)


def dropped() -> float:
    return REGISTRY.get_sample_value("artemis_logged_prompts_total", {"outcome": "dropped"}) or 0.0


def unsealed(sealed: bytes | None) -> Heard:
    assert sealed is not None and len(sealed) <= MOST_BYTES
    opened = unseal_bytes(sealed)
    assert opened is not None
    return msgspec.msgpack.decode(zlib.decompress(opened), type=Heard)


@pytest.mark.parametrize(("wanted", "may", "endpoint", "hears"), [
    (True, True, "chat.completions", True), (True, True, "embeddings", False), (True, True, "rerank", False),
    (False, True, "chat.completions", False), (True, False, "chat.completions", False),
])  # fmt: skip
def test_only_what_is_wanted_is_heard(wanted: bool, may: bool, endpoint: str, hears: bool) -> None:
    key = replace(FACTS, prompts_are_logged=wanted)
    call = a_call(endpoint=endpoint, may_be_logged=may, key=key)
    assert (ear_for(call, NOW) is not None) == hears


def test_what_was_asked_is_cut_in_the_middle_and_the_call_is_not() -> None:
    text, items = "a b " * MOST_TEXT, list(range(3 * MOST_LISTED))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    source = {"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo" * 1000}}
    content = [{"type": "text", "text": text}, image, source]
    payload = {"messages": [{"role": "user", "content": content}], "input": items}
    before = msgspec.json.encode(payload)
    heard = unsealed(Ear(a_call(payload=payload), NOW).sealed())
    asked, picture, other = heard.asked["messages"][0]["content"]
    assert asked["text"] == text[: MOST_TEXT // 2] + text[-MOST_TEXT // 2 :]
    assert (picture["image_url"]["url"], other["source"]["data"]) == ("", "")
    assert len(heard.asked["input"]) == MOST_LISTED
    assert msgspec.json.encode(payload) == before


def test_of_a_long_conversation_the_end_has_room_first() -> None:
    said = [f"{number} " + "word " * 10_000 for number in range(100)]
    payload = {"messages": [{"role": "user", "content": text} for text in said]}
    heard = unsealed(Ear(a_call(payload=payload), NOW).sealed())
    kept = [message["content"] for message in heard.asked["messages"]]
    assert kept[-5:] == said[-5:] and kept[:90] == [""] * 90
    assert sum(map(len, kept)) <= MOST_OF_ALL


def test_an_endless_answer_is_heard_to_a_bound() -> None:
    ear = Ear(a_call(stream=True), NOW)
    pieces = [random.randbytes(64 * 1024) for _ in range(8)]
    for piece in pieces:
        ear.hear(piece)
    heard = unsealed(ear.sealed())
    assert MOST_HEARD <= len(heard.answered) < MOST_HEARD + 2 * 64 * 1024
    assert zlib.decompressobj().decompress(heard.answered).startswith(pieces[0])


def test_a_whole_answer_that_is_very_large_is_left_out() -> None:
    ear = Ear(a_call(), NOW)
    ear.hear(b"x" * (MOST_WHOLE + 1))
    assert zlib.decompress(unsealed(ear.sealed()).answered) == b""


@pytest.mark.parametrize("value", [10**30, [[]]], ids=["a number beyond 64 bits", "nested"])
async def test_what_cannot_be_sealed_is_dropped_and_counted(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(900 if isinstance(value, list) else 0):
        value = [value]
    before, bench = dropped(), Bench(Away())
    Ear(a_call(payload={"metadata": value}), NOW).tell(bench)  # type: ignore[arg-type]
    await bench.finish()
    assert dropped() == before + 1
    assert all(record.exc_info is None for record in caplog.records)


async def test_it_goes_to_the_workers_and_is_dropped_where_there_is_no_room() -> None:
    before, bench = dropped(), Bench(async_redis(connections=2))
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await asyncio.gather(*bench.work)
    bench.work = []
    (sealed,) = cast("list[bytes]", sync_redis().lrange(QUEUE, 0, -1))
    assert unsealed(sealed).request_id == "req_1"
    sync_redis().rpush(QUEUE, *[b""] * MOST_WAITING)
    full = sync_redis().llen(QUEUE)
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await bench.finish()
    assert sync_redis().llen(QUEUE) == full and dropped() == before + 1


async def test_a_redis_that_is_away_fails_nothing() -> None:
    before, bench = dropped(), Bench(Away())
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await bench.finish()
    assert dropped() == before + 1
