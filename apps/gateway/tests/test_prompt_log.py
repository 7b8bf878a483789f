"""What a gateway hears is bounded, sealed, and never in the way."""

import asyncio
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
from apps.gateway.prompt_log import MOST_BYTES, MOST_LISTED, MOST_TEXT, Ear, ear_for
from apps.gateway.tests.test_attempts import MODEL
from apps.gateway.tests.test_hardness import FACTS
from apps.prompts.contracts import MOST_WAITING, STREAM, Heard

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
    async def xlen(self, name: str) -> int:
        raise RedisAway("away")


def a_call(**fields: Any) -> Call:
    known = {"endpoint": "chat.completions", "key": FACTS, "model": MODEL, "payload": {}, **fields}
    return Call(request_id="req_1", address="", prompt_bytes=1, **known)


def dropped() -> float:
    return REGISTRY.get_sample_value("artemis_logged_prompts_total", {"outcome": "dropped"}) or 0.0


def unsealed(sealed: bytes) -> Heard:
    opened = unseal_bytes(sealed)
    assert opened is not None
    return msgspec.msgpack.decode(zlib.decompress(opened), type=Heard)


@pytest.fixture(autouse=True)
def _empty_stream() -> None:
    sync_redis().delete(STREAM)


@pytest.mark.parametrize(("wanted", "may", "endpoint", "hears"), [
    (True, True, "chat.completions", True), (True, True, "embeddings", False), (True, True, "rerank", False),
    (False, True, "chat.completions", False), (True, False, "chat.completions", False),
])  # fmt: skip
def test_only_what_is_wanted_is_heard(wanted: bool, may: bool, endpoint: str, hears: bool) -> None:
    key = replace(FACTS, prompts_are_logged=wanted)
    call = a_call(endpoint=endpoint, may_be_logged=may, key=key)
    assert (ear_for(call, NOW) is not None) == hears


def test_what_was_asked_is_cut_in_the_middle_and_the_call_is_not() -> None:
    text, items = "a" * MOST_TEXT + "b" * MOST_TEXT, list(range(3 * MOST_LISTED))
    payload = {"messages": [{"role": "user", "content": text}], "input": items}
    heard = unsealed(Ear(a_call(payload=payload), NOW).sealed())
    assert heard.asked["messages"][0]["content"] == "a" * (MOST_TEXT // 2) + "b" * (MOST_TEXT // 2)
    assert len(heard.asked["input"]) == MOST_LISTED
    assert payload == {"messages": [{"role": "user", "content": text}], "input": items}


def test_an_endless_answer_is_heard_to_a_bound() -> None:
    ear = Ear(a_call(stream=True), NOW)
    piece = bytes(range(256)) * 256
    for number in range(2000):
        ear.hear(number.to_bytes(4) + piece[number % 7 :] * 2)
    heard = unsealed(ear.sealed())
    assert MOST_BYTES <= len(heard.answered) < MOST_BYTES + 2 * len(piece)
    assert zlib.decompressobj().decompress(heard.answered).startswith(bytes(4) + piece)


async def test_it_goes_to_the_workers_and_is_dropped_where_there_is_no_room() -> None:
    before, bench = dropped(), Bench(async_redis(connections=2))
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await asyncio.gather(*bench.work)
    bench.work = []
    ((_, fields),) = cast("list[tuple[bytes, dict[bytes, bytes]]]", sync_redis().xrange(STREAM))
    assert unsealed(fields[b"sealed"]).request_id == "req_1"
    for _ in range(MOST_WAITING):
        sync_redis().xadd(STREAM, {"sealed": b""})
    full = sync_redis().xlen(STREAM)
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await bench.finish()
    assert sync_redis().xlen(STREAM) == full and dropped() == before + 1


async def test_a_redis_that_is_away_fails_nothing() -> None:
    before, bench = dropped(), Bench(Away())
    Ear(a_call(), NOW).tell(bench)  # type: ignore[arg-type]
    await bench.finish()
    assert dropped() == before + 1
