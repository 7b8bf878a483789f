"""A Redis that comes back without its last seconds is told of them by the gateway: each thing once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.tests.cast import Cast, cast
from apps.common.database import in_thread
from apps.common.redis import sync_redis
from apps.common.tests.redis_server import Server, copy_of_appended, put_back
from apps.gateway.admission import run_script
from apps.gateway.counters import begin_counter
from apps.gateway.runtime import Runtime
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.models import UsageEvent
from apps.usage.services import drain_events
from apps.usage.tests.test_record_events import event

__all__ = ["cast"]
pytestmark = pytest.mark.django_db(transaction=True)
MONTH = "202611"
HELD = 1000


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Iterator[Server]:
    server = Server(tmp_path / "redis", durable=True)
    server.start()
    settings.REDIS_URL = server.url
    settings.ARTEMIS_HOME = tmp_path
    sync_redis.cache_clear()
    yield server
    server.kill()
    sync_redis.cache_clear()


@pytest.fixture
def key(cast: Cast) -> ApiKey:
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy())
    return ApiKey.objects.get(public_id=issued.public_id)


class Gateway:
    """One process, its calls by their names."""

    def __init__(self, runtime: Runtime, key: ApiKey) -> None:
        self.runtime = runtime
        self.key = key
        self.scope = f"key:{key.pk}"

    async def admit(self, name: str) -> None:
        record = f"{HELD} 10 {self.scope} - {self.scope}"
        await run_script(self.runtime.pipe, "renew", 90_000, name, record)
        self.runtime.in_flight[name] = record

    async def settle(self, name: str, cost: int) -> None:
        del self.runtime.in_flight[name]
        started = datetime(2026, 11, 23, 12, tzinfo=UTC).isoformat()
        text = event(self.key, name, cost=cost, started_at=started)
        await self.runtime.settle([name, cost, 10, text, self.scope, MONTH])


@asynccontextmanager
async def gateway_of(key: ApiKey) -> AsyncIterator[Gateway]:
    runtime = Runtime()
    await runtime.start()
    try:
        yield Gateway(runtime, key)
    finally:
        await runtime.stop()


def state(key: ApiKey) -> dict[str, Any]:
    """What the counter says, what is held, by whom, and what waits to be recorded."""
    store = sync_redis()
    waiting: Any = store.xrange("art:usage")
    return {
        "spent": int(store.get(f"art:spent:key:{key.pk}:{MONTH}") or 0),
        "held": int(store.get(f"art:held:key:{key.pk}") or 0),
        "holds": sorted(map(bytes.decode, store.zrange("art:holds", 0, -1))),
        "waiting": sorted(json.loads(fields[b"event"])["request_id"] for _, fields in waiting),
    }


async def until(found: Callable[[], dict[str, Any]], expected: dict[str, Any]) -> None:
    deadline = time.monotonic() + 8
    while (seen := await in_thread(found)) != expected:
        assert time.monotonic() < deadline, f"{seen} is not yet {expected}"
        await asyncio.sleep(0.05)


def bill() -> dict[str, int]:
    drain_events()
    return dict(UsageEvent.objects.values_list("request_id", "cost"))


async def test_the_lost_seconds_are_told_again(server: Server, key: ApiKey) -> None:
    async with gateway_of(key) as gateway:
        await in_thread(lambda: begin_counter(gateway.scope, MONTH))
        for name in ("kept", "recorded", "lost", "early"):
            await gateway.admit(name)
        await gateway.settle("kept", 1)
        await asyncio.to_thread(server.sync)
        copy = await asyncio.to_thread(copy_of_appended, server.folder)
        await gateway.settle("recorded", 20)
        await in_thread(drain_events)
        await gateway.settle("lost", 300)
        await gateway.admit("late")
        server.kill()
        put_back(server.folder, copy)
        server.start()
        await until(
            lambda: state(key),
            {"spent": 321, "held": 2 * HELD, "holds": ["early", "late"], "waiting": ["kept", "lost"]},
        )
        assert await in_thread(bill) == {"kept": 1, "recorded": 20, "lost": 300}
        await gateway.settle("early", 4000)
        await gateway.settle("late", 50_000)
        assert (await in_thread(lambda: state(key)))["spent"] == 54_321
    assert await in_thread(bill) == {"kept": 1, "recorded": 20, "lost": 300, "early": 4000, "late": 50_000}
    assert (await in_thread(lambda: state(key)))["holds"] == []


async def test_a_counter_that_begins_before_the_gateway_tells_counts_nothing_twice(server: Server, key: ApiKey) -> None:
    """All is lost, and another gateway's admission is quicker."""
    async with gateway_of(key) as gateway:
        for name, cost in (("recorded", 20), ("lost", 300)):
            await gateway.admit(name)
            await gateway.settle(name, cost)
            if name == "recorded":
                await in_thread(drain_events)
        gateway.runtime.recovery.doubt()
        sync_redis().flushdb()
        await in_thread(lambda: begin_counter(gateway.scope, MONTH))
        assert sync_redis().get(f"art:spent:{gateway.scope}:{MONTH}") == b"20"
        await gateway.runtime.recovery.run()
        assert await in_thread(lambda: state(key)) == {"spent": 320, "held": 0, "holds": [], "waiting": ["lost"]}
    assert await in_thread(bill) == {"recorded": 20, "lost": 300}


async def test_a_redis_that_lost_nothing_is_told_nothing(server: Server, key: ApiKey) -> None:
    async with gateway_of(key) as gateway:
        await in_thread(lambda: begin_counter(gateway.scope, MONTH))
        for name in ("settled", "flying"):
            await gateway.admit(name)
        await gateway.settle("settled", 7)
        before = await in_thread(lambda: state(key))
        server.kill()
        server.start()
        await until(lambda: state(key), before)
        await gateway.runtime.recovery.run()
        assert await in_thread(lambda: state(key)) == before
    assert await in_thread(bill) == {"settled": 7}


async def test_what_could_not_be_told_before_the_process_ends_waits_on_disk(server: Server, key: ApiKey) -> None:
    async with gateway_of(key) as gateway:
        await gateway.admit("settled")
        await gateway.settle("settled", 7)
        server.kill()
        gateway.runtime.recovery.doubt()
    spool = gateway.runtime.spool
    assert [path.stem for path in spool.waiting()] == ["settled"]
    server.start()
