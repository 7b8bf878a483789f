"""Tells Redis again what it lost with the end of its append-only file: settlements that it had taken.

Redis writes to the disk once a second, and a replica that takes over may be a second behind. So each gateway process
remembers what it settled in the last seconds, and asks after them whenever its connection had to be made anew.
"""

import asyncio
import logging
import time
from collections import deque
from functools import partial
from itertools import islice
from typing import Any

from redis.asyncio import Redis

from apps.common.database import in_thread
from apps.common.redis_pipe import RedisPipe
from apps.gateway.admission import run_script
from apps.gateway.counters import rebuild_counter
from apps.gateway.limits import TOTAL
from apps.gateway.spool import OLD_SECONDS
from apps.usage.selectors import recorded_requests

# Two that may not be on the disk, one until a silent Redis is noticed, and as much again.
KEPT_SECONDS = 6.0
BATCH = 500
logger = logging.getLogger(__name__)


class Recovery:
    """The settlements that one process cannot be sure of, with the arguments of settle.lua."""

    def __init__(self, pipe: RedisPipe, redis: "Redis") -> None:
        self._pipe = pipe
        self._redis = redis
        self._taken: deque[tuple[float, list[Any]]] = deque()
        self._doubtful: dict[str, tuple[float, list[Any]]] = {}
        self._counters: set[tuple[str, str]] = set()
        self._one = asyncio.Lock()

    def note(self, arguments: list[Any]) -> None:
        """Redis has taken a settlement. Those before it are forgotten when it has kept them for long enough."""
        now = time.monotonic()
        self._taken.append((now, arguments))
        while self._taken[0][0] < now - KEPT_SECONDS:
            self._taken.popleft()

    def doubt(self) -> None:
        """To be called as soon as Redis is back: it may be another one, or have another past."""
        self._doubtful |= {arguments[0]: (moment, arguments) for moment, arguments in self._taken}

    @property
    def doubtful(self) -> list[list[Any]]:
        return [arguments for _, arguments in self._doubtful.values()]

    async def run(self) -> None:
        """Asks after what is in doubt. Raises RedisError or Unavailable where it must be called again."""
        async with self._one:
            while self._doubtful:
                batch = dict(islice(self._doubtful.items(), BATCH))
                known = await self._redis.mget(*(f"art:settled:{request_id}" for request_id in batch))
                lost = [entry for entry, value in zip(batch.values(), known, strict=True) if value is None]
                if lost:
                    await self.tell_again(lost)
                for request_id, entry in batch.items():
                    if self._doubtful[request_id] is entry:  # and not in doubt again, for another loss meanwhile
                        del self._doubtful[request_id]
            while self._counters:
                counter = self._counters.pop()
                try:
                    await in_thread(partial(rebuild_counter, *counter))
                except BaseException:
                    self._counters.add(counter)
                    raise

    async def tell_again(self, lost: list[tuple[float, list[Any]]]) -> None:
        """Settlements with the moment of each (time.monotonic). Redis remembers for two minutes what it has settled.

        What PostgreSQL has is not charged again: a counter may have begun from there, and is made anew.
        """
        recorded = await in_thread(lambda: recorded_requests(request_ids=[arguments[0] for _, arguments in lost]))
        told = []
        for moment, arguments in lost:
            is_recorded = arguments[0] in recorded
            if is_recorded or time.monotonic() - moment > OLD_SECONDS:  # then it may only have forgotten them
                for scope, month in zip(arguments[4::2], arguments[5::2], strict=True):
                    self._counters |= {(scope, month), (scope, TOTAL)}
            told.append(self._released(arguments) if is_recorded else self._settled(arguments))
        await asyncio.gather(*told)
        logger.warning("Redis was told of %d settlements again, which it had lost or never had", len(lost))

    async def _settled(self, arguments: list[Any]) -> None:
        await run_script(self._pipe, "settle", *arguments)
        self.note(arguments)

    async def _released(self, arguments: list[Any]) -> None:
        """Of what is recorded already, only the hold may be left."""
        await run_script(self._pipe, "release", arguments[0])
        self.note(arguments)
