"""What one gateway process keeps while it runs: connections, caches, and the settlements under way."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from django.conf import settings

from apps.common.redis import async_redis
from apps.common.redis_pipe import RedisPipe
from apps.gateway import telemetry
from apps.gateway.admission import LEASE_MS, run_script
from apps.gateway.facts import KeyFactsCache, OfferCache
from apps.gateway.spool import Spool
from inference.client import EngineClient

RENEW_SECONDS = LEASE_MS / 3000
REPLAY_SECONDS = 5.0
NOTE_SECONDS = 1.0
logger = logging.getLogger(__name__)


class Runtime:
    """Made in the worker's event loop when it starts, closed when it stops."""

    def __init__(self) -> None:
        self.redis = async_redis()
        self.pipe = RedisPipe(settings.REDIS_URL)
        self.client = EngineClient()
        self.keys = KeyFactsCache()
        self.offers = OfferCache()
        self.spool = Spool(settings.ARTEMIS_HOME / "spool")
        self.in_flight: dict[str, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.client.__aenter__()
        self._loops = [
            asyncio.create_task(self._every(RENEW_SECONDS, self._renew_leases)),
            asyncio.create_task(self._every(REPLAY_SECONDS, self._replay_spool)),
            asyncio.create_task(self._every(NOTE_SECONDS, self._note_in_flight)),
        ]

    async def stop(self) -> None:
        """Waits for the settlements under way, then lets everything go."""
        for loop in self._loops:
            loop.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
        await self.client.__aexit__(None, None, None)
        await self.pipe.close()
        await self.redis.aclose()

    def keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs work to its end even if the one who asked for it is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _every(self, seconds: float, work: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:
                logger.exception("%s failed; it is tried again in %s s", work.__name__, seconds)

    async def _renew_leases(self) -> None:
        pairs = [item for pair in self.in_flight.items() for item in pair]
        for start in range(0, len(pairs), 1000):
            await run_script(self.pipe, "renew", LEASE_MS, *pairs[start : start + 1000])

    async def _note_in_flight(self) -> None:
        telemetry.in_flight(len(self.in_flight))

    async def _replay_spool(self) -> None:
        for path, arguments in self.spool.pending():
            await run_script(self.pipe, "settle", *arguments)
            path.unlink(missing_ok=True)


_current: Runtime | None = None


def current() -> Runtime:
    if _current is None:
        raise RuntimeError("the gateway was not started: the server must run ASGI's lifespan")
    return _current


async def start() -> None:
    global _current
    runtime = Runtime()
    await runtime.start()
    _current = runtime


async def stop() -> None:
    with contextlib.suppress(RuntimeError):
        await current().stop()
