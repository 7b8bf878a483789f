"""The pipe against a real server that is stopped, killed and started again."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.common.redis import async_redis
from apps.common.redis_pipe import AWAY_SECONDS, FullError, NotSentError, RedisPipe
from apps.common.tests.redis_server import Server

ECHO = "return ARGV[1]"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


async def test_answers_come_to_whoever_asked(server: Server) -> None:
    pipe = RedisPipe(server.url)

    answers = await asyncio.gather(*(pipe.eval(ECHO, number) for number in range(500)))

    assert answers == [str(number).encode() for number in range(500)]
    await pipe.close()


async def test_errors_are_redis_pys(server: Server) -> None:
    pipe = RedisPipe(server.url)

    with pytest.raises(NoScriptError):
        await pipe.evalsha("0" * 40)
    with pytest.raises(ResponseError):
        await pipe.eval("return redis.call('NO SUCH COMMAND')")
    assert await pipe.eval(ECHO, "still there") == b"still there"
    await pipe.close()


async def test_a_wrong_password_is_no_silent_success(server: Server) -> None:
    pipe = RedisPipe(server.url.replace("only-for-tests", "wrong"))

    with pytest.raises(RedisConnectionError, match="AUTH"):
        await pipe.eval(ECHO, "x")


async def test_a_killed_server_is_found_again(server: Server) -> None:
    pipe = RedisPipe(server.url)
    await pipe.eval(ECHO, "before")
    server.kill()
    with pytest.raises(RedisConnectionError):
        await pipe.eval(ECHO, "while it is away")
    began = time.monotonic()
    with pytest.raises(NotSentError):
        await pipe.eval(ECHO, "nobody waits for it now")
    assert time.monotonic() - began < 0.1
    server.start()
    await asyncio.sleep(AWAY_SECONDS + 0.2)

    assert await pipe.eval(ECHO, "after") == b"after"
    await pipe.close()


async def test_whoever_keeps_the_pipe_hears_that_it_is_another_connection_even_if_nobody_asks(server: Server) -> None:
    told: list[float] = []
    pipe = RedisPipe(server.url, on_reconnection=lambda: told.append(time.monotonic()))
    await pipe.eval(ECHO, "before")
    for times in (1, 2):
        server.kill()
        await asyncio.sleep(0.1)
        server.start()
        deadline = time.monotonic() + 5
        while len(told) < times and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert len(told) == times
        assert await pipe.eval(ECHO, "after") == b"after"
    await pipe.close()
    await asyncio.sleep(AWAY_SECONDS + 0.2)
    assert len(told) == 2


async def test_a_frozen_server_costs_a_second_and_late_answers_reach_nobody(server: Server) -> None:
    pipe = RedisPipe(server.url)
    await pipe.eval(ECHO, "before")
    assert server.process
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises((RedisTimeoutError, RedisConnectionError)):
        await pipe.eval(ECHO, "late")
    waited = time.monotonic() - began
    server.process.send_signal(signal.SIGCONT)

    assert waited < 3
    await asyncio.sleep(AWAY_SECONDS + 0.2)
    assert await pipe.eval(ECHO, "after") == b"after"
    await pipe.close()


def test_a_loop_that_was_busy_is_not_redis_away(server: Server) -> None:
    """On uvloop, as in production: an answer that has come is read before the watchdog looks."""

    async def scenario() -> None:
        pipe = RedisPipe(server.url)
        await pipe.eval(ECHO, "before")
        asked = asyncio.create_task(pipe.eval(ECHO, "asked"))
        await asyncio.sleep(0)
        time.sleep(1.2)  # a long computation: the answer has come, and nobody has read it
        assert await asked == b"asked"
        await pipe.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_a_replica_that_was_the_master_is_left(server: Server) -> None:
    pipe = RedisPipe(server.url)
    write = "return redis.call('SET', 'x', '1')"
    await pipe.eval(write)
    server.replicate("127.0.0.1", "1")
    with pytest.raises(RedisConnectionError, match="READONLY"):
        await pipe.eval(write)
    await asyncio.sleep(AWAY_SECONDS + 0.2)
    server.replicate("NO", "ONE")
    assert await pipe.eval(write) == b"OK"
    await pipe.close()


async def test_a_full_server_is_neither_away_nor_left(server: Server) -> None:
    told: list[None] = []
    pipe = RedisPipe(server.url, on_reconnection=lambda: told.append(None))
    write = "return redis.call('SET', 'x', '1')"
    await pipe.eval(write)
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        for _ in range(3):
            with pytest.raises(FullError):
                await pipe.eval(write)
            assert await pipe.eval("return redis.call('GET', 'x')") == b"1"
        client.config_set("maxmemory", 0)
    assert await pipe.eval(write) == b"OK"
    assert told == []
    await pipe.close()


async def test_the_pools_connections_survive_a_restart(server: Server, settings: Any) -> None:
    settings.REDIS_URL = server.url
    store = async_redis()
    for _ in range(2):
        answers = await asyncio.gather(*(store.get("nothing") for _ in range(8)))
        assert answers == [None] * 8
        server.kill()
        server.start()
    await store.aclose()


async def test_a_caller_who_gives_up_disturbs_nobody(server: Server) -> None:
    pipe = RedisPipe(server.url)
    await pipe.eval(ECHO, "before")
    impatient = asyncio.create_task(pipe.eval(ECHO, "first"))
    patient = asyncio.create_task(pipe.eval(ECHO, "second"))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient == b"second"
    await pipe.close()
