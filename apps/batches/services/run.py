"""Runs the open batches: one worker at a time, for a while, all of them side by side."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from apps.batches.contracts import Ask
from apps.batches.selectors import open_batches
from apps.batches.services.batch_run import LOOK_SECONDS, BatchRun
from apps.batches.services.pace import Shift, Slots
from apps.common.database import in_thread
from apps.common.redis import async_redis

LOCK = "art:batches:running"
LOCK_SECONDS = 15.0  # after which another worker goes on for one that was killed
LAST_ANSWERS_SECONDS = 45.0  # for those under way when the time is up
STOPPING_SECONDS = 5.0  # for those under way when the worker is told to stop
MOST_BATCHES = 32  # at once
logger = logging.getLogger(__name__)


async def run_open_batches(ask: Ask, *, seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Works for at most `seconds`, and a little for what is under way then. Does nothing where another worker does."""
    store = async_redis(connections=2)
    lock = store.lock(LOCK, timeout=LOCK_SECONDS, blocking=False)
    try:
        if await lock.acquire():
            try:
                await Runner(ask, lock, Shift(time.monotonic() + seconds, is_stopping)).run()
            finally:
                with contextlib.suppress(LockError, RedisError):
                    await lock.release()
    except RedisError as error:
        logger.warning("Redis is away, batches wait: %s", error)
    finally:
        await store.aclose()


class Runner:
    def __init__(self, ask: Ask, lock: Lock, shift: Shift) -> None:
        self._ask = ask
        self._lock = lock
        self._shift = shift
        self._slots = Slots()
        self._runs: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while not self._shift.is_over:
                waiting = await in_thread(lambda: open_batches(limit=MOST_BATCHES))
                if not waiting:
                    return
                self._runs = {batch_id: run for batch_id, run in self._runs.items() if not run.done()}
                for batch_id in waiting:
                    if batch_id not in self._runs:
                        batch = BatchRun(batch_id, self._ask, self._slots, self._shift)
                        self._runs[batch_id] = asyncio.create_task(batch.go())
                await asyncio.sleep(LOOK_SECONDS / 4)
                await asyncio.wait(self._runs.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await self._lock.extend(LOCK_SECONDS, replace_ttl=True)
            await self._last_answers()
        except LockError:
            logger.warning("another worker runs the batches now")
        finally:
            for unfinished in self._runs.values():
                unfinished.cancel()
            await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def _last_answers(self) -> None:
        patience = STOPPING_SECONDS if self._shift.is_stopping() else LAST_ANSWERS_SECONDS
        until = time.monotonic() + patience
        while time.monotonic() < until and not all(run.done() for run in self._runs.values()):
            await asyncio.wait(self._runs.values(), timeout=LOOK_SECONDS)
            await self._lock.extend(LOCK_SECONDS, replace_ttl=True)
