"""Work that takes long, done by one worker of the platform at a time: for a while, under a lock that it keeps."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.common.redis import async_redis

LOCK_SECONDS = 15.0  # after which another worker goes on for one that was killed
LOOK_SECONDS = 0.5  # how soon new work is seen, and work that nobody wants any more
STOPPING_SECONDS = 5.0  # for what is under way when the worker is told to stop
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Shift:
    """How long this worker works: until its time is up (time.monotonic), until it is told to stop, or until another
    one has taken over."""

    until: float
    is_stopping: Callable[[], bool]
    is_lost: bool = False

    @property
    def is_over(self) -> bool:
        return self.is_lost or self.is_stopping() or time.monotonic() >= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to begin, and what of that which is under way to drop."""

    begin: Collection[int] = ()
    drop: Collection[int] = ()


Choose = Callable[[Collection[int]], Choice]
"""Looks, in a thread, what is to be done beside what is under way."""


async def work_alone(
    name: str,
    choose: Choose,
    work: Callable[[int], Coroutine[Any, Any, None]],
    *,
    shift: Shift,
    last_answers: float,
) -> None:
    """Does what is to be done, side by side, until nothing is left or the shift is over; and then takes at most
    `last_answers` seconds for what is under way. Does nothing where another worker has the lock `name`.

    A worker that has lost the lock drops nothing for that: another one may have begun the same, under the same ids, and
    of the two the first to settle counts.
    """
    store = async_redis(connections=2)
    lock = store.lock(name, timeout=LOCK_SECONDS, blocking=False)
    try:
        if await lock.acquire():
            try:
                await _Work(name, choose, work, lock, shift).go_on(last_answers)
            finally:
                with contextlib.suppress(LockError, RedisError):
                    await lock.release()
    except RedisError as error:
        logger.warning("Redis is away, %s waits: %s", name, error)
    finally:
        await store.aclose()


class _Work:
    def __init__(
        self, name: str, choose: Choose, work: Callable[[int], Coroutine[Any, Any, None]], lock: Lock, shift: Shift
    ) -> None:
        self._name = name
        self._choose = choose
        self._work = work
        self._lock = lock
        self._shift = shift
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._extended_at = time.monotonic()

    async def go_on(self, last_answers: float) -> None:
        try:
            while not self._shift.is_over:
                await self._look()
                if not self._tasks:
                    return
                await asyncio.sleep(LOOK_SECONDS / 4)
                await self._wait(asyncio.FIRST_COMPLETED)
            until = time.monotonic() + (STOPPING_SECONDS if self._shift.is_stopping() else last_answers)
            while time.monotonic() < until and not all(task.done() for task in self._tasks.values()):
                await self._look(begin=False)
                await self._wait(asyncio.ALL_COMPLETED)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self, *, begin: bool = True) -> None:
        self._tasks = {number: task for number, task in self._tasks.items() if not task.done()}
        running = tuple(self._tasks)
        try:
            choice = await in_thread(lambda: self._choose(running))
        except Unavailable:  # no reason to drop what is under way
            return
        for number in choice.drop:
            self._tasks[number].cancel()
        for number in choice.begin if begin else ():
            self._tasks[number] = asyncio.create_task(self._work(number))

    async def _wait(self, until: str) -> None:
        await asyncio.wait(self._tasks.values(), timeout=LOOK_SECONDS, return_when=until)
        if not self._shift.is_lost and not await self._extended():
            logger.warning("%s: another worker does it now; what is under way here comes to its end", self._name)
            self._shift.is_lost = True

    async def _extended(self) -> bool:
        """Whether the lock is still ours: nobody else can have taken it before it runs out."""
        try:
            await self._lock.extend(LOCK_SECONDS, replace_ttl=True)
        except LockError:
            return False
        except RedisError:
            return time.monotonic() < self._extended_at + LOCK_SECONDS
        self._extended_at = time.monotonic()
        return True
