"""What is told of Redis at each scrape: its room, and whether it would throw away what must stay."""

from collections.abc import Iterator

import pytest

from apps.common.redis import sync_redis
from apps.gateway.exposition import exposition
from apps.gateway.runtime import Runtime
from apps.gateway.selectors import queues


@pytest.fixture
def evicting() -> Iterator[None]:
    store = sync_redis()
    store.config_set("maxmemory-policy", "volatile-lru")
    yield
    store.config_set("maxmemory-policy", "noeviction")
    store.config_set("maxmemory", 0)


def test_its_room() -> None:
    assert queues().memory > 500_000
    assert (queues().memory_limit, queues().evicts) == (0, False)
    assert b"artemis_redis_evicts 0.0" in exposition()


def test_a_policy_that_evicts(evicting: None) -> None:
    sync_redis().config_set("maxmemory", 10**9)
    assert (queues().memory_limit, queues().evicts) == (10**9, True)
    text = exposition()
    assert b"artemis_redis_evicts 1.0" in text
    assert b"artemis_redis_memory_limit_bytes 1e+09" in text


async def test_the_gateway_says_so_when_it_starts(evicting: None, caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime()
    await runtime.start()
    await runtime.stop()
    assert "set its maxmemory-policy to noeviction" in caplog.text
