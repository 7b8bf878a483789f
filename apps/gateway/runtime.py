"""What one gateway process keeps while it runs: connections, caches, and the settlements under way."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from redis.exceptions import RedisError, ResponseError

from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.common.redis import async_redis
from apps.common.redis_pipe import RedisPipe
from apps.gateway import detours, telemetry
from apps.gateway.admission import run_script
from apps.gateway.demand import Demand
from apps.gateway.facts import KeyFactsCache, OfferCache
from apps.gateway.limits import hold_of
from apps.gateway.local_share import LocalShare
from apps.gateway.loop_lag import LoopLag
from apps.gateway.recovery import Recovery
from apps.gateway.selectors import evicts
from apps.gateway.slots import LEASE_MS, Slots
from apps.gateway.spool import Spool
from apps.gateway.watch import POLL_SECONDS, EngineWatch
from apps.usage.services import record_late
from inference.client import EngineClient

Result = TypeVar("Result")
REPLAY_SECONDS = 5.0
NOTE_SECONDS = 1.0
REFRESH_SECONDS = 15.0
EVENT = 3  # its place among the arguments of settle.lua
RECORDING_SECONDS, RECORDED_AT_ONCE = 60.0, 500
logger = logging.getLogger(__name__)


class Runtime:
    """Made in the worker's event loop when it starts, closed when it stops."""

    def __init__(self) -> None:
        self.redis = async_redis()
        self.pipe = RedisPipe(settings.REDIS_URL, on_reconnection=self._when_redis_is_back)
        self.recovery = Recovery(self.pipe, self.redis)
        self.client = EngineClient()
        self.keys = KeyFactsCache()
        self.watch = EngineWatch(self.redis, self.client)
        self.offers = OfferCache(self.watch.board)
        self.spool = Spool(settings.ARTEMIS_HOME / "spool")
        self.local = LocalShare(settings.GATEWAY_REDIS_AWAY_SHARE)
        self.in_flight: dict[str, str] = {}  # request id → record of its hold
        self.demand = Demand()
        self.lag = LoopLag()
        self._unsaved: dict[str, list[Any]] = {}  # settlements that neither Redis nor the disk has taken yet
        self._tasks: set[asyncio.Future[Any]] = set()
        self.slots = Slots(self.redis, self.pipe, self.client, self.keep)
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.client.__aenter__()
        self._loops = [
            asyncio.create_task(self._every(settings.GATEWAY_HOLD_LEASE_SECONDS / 3, self._renew_leases)),
            asyncio.create_task(self._every(REPLAY_SECONDS, self._replay_spool)),
            asyncio.create_task(self._every(REPLAY_SECONDS, self.recovery.run)),
            asyncio.create_task(self._every(NOTE_SECONDS, self._note_in_flight)),
            asyncio.create_task(self._every(POLL_SECONDS, self._look_at_engines)),
            asyncio.create_task(self._every(LEASE_MS / 3000, self.slots.renew)),
            asyncio.create_task(self._every(REFRESH_SECONDS, self._refresh_offer)),
        ]
        self.keep(self._check_redis())
        self.lag.start()

    async def stop(self) -> None:
        """Waits for the settlements under way, then lets everything go."""
        self.lag.stop()
        telemetry.demanded({})  # a worker's process lives on
        for loop in self._loops:
            loop.cancel()
        deadline = time.monotonic() + 10
        while self._tasks and time.monotonic() < deadline:  # one that fails is followed by another
            await asyncio.wait(self._tasks, timeout=1)
        for arguments in self.recovery.doubtful:
            await self.keep_on_disk(arguments[0], arguments)
        await self._record_what_waits()
        await self.client.__aexit__(None, None, None)
        await self.pipe.close()
        await self.redis.aclose()

    def keep(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Runs work to its end even if the one who asked for it is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def settling(self, answer: "asyncio.Future[Any]") -> None:
        """Something that a stop of the process waits for."""
        self._tasks.add(answer)
        answer.add_done_callback(self._tasks.discard)

    async def _every(self, seconds: float, work: Any) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:
                logger.exception("%s failed; it is tried again in %s s", work.__name__, seconds)

    async def _renew_leases(self) -> None:
        lease_ms = settings.GATEWAY_HOLD_LEASE_SECONDS * 1000
        pairs = [item for pair in self.in_flight.items() for item in pair]
        for start in range(0, len(pairs), 1000):
            await run_script(self.pipe, "renew", lease_ms, *pairs[start : start + 1000])

    async def _check_redis(self) -> None:
        with contextlib.suppress(RedisError):
            if evicts(await self.redis.info("memory")):
                logger.error(
                    "Redis would throw away holds and counters when it is full: set its maxmemory-policy to noeviction"
                )

    def _when_redis_is_back(self) -> None:
        self.recovery.doubt()
        self.keep(self._recover())

    async def _recover(self) -> None:
        """What is in flight holds again, and what was settled is settled, whatever Redis has lost."""
        try:
            await self._renew_leases()
            await self.recovery.run()
        except (RedisError, OSError, Unavailable) as error:
            logger.warning("what Redis may have lost is told to it later: %s", error)

    async def _note_in_flight(self) -> None:
        telemetry.in_flight(len(self.in_flight))
        telemetry.demanded(self.demand.peaks())
        detours.note_waiting()
        detours.note_held(sum(hold_of(record) for record in self.in_flight.values()))

    async def _look_at_engines(self) -> None:
        offer = self.offers.known
        if offer is not None:
            offer.router.are_back(await self.watch.look(offer.router.deployments()))
            detours.note_circuits(offer.router)

    async def _refresh_offer(self) -> None:
        """One process looks at the engines for all: it must know of new ones, whether it is asked for them or not."""
        if self.offers.known is not None:
            await self.offers.get()

    async def settle(self, arguments: list[Any]) -> None:
        """A second settlement of a request changes nothing. Raises RedisError where Redis does not take it."""
        await run_script(self.pipe, "settle", *arguments)
        self.recovery.note(arguments)

    async def keep_on_disk(self, request_id: str, arguments: list[Any]) -> None:
        """For a settlement that Redis did not take. Where the disk is full, memory has to do."""
        try:
            await asyncio.to_thread(self.spool.add, request_id, arguments)
        except OSError:
            logger.exception("the settlement of %s is kept in memory only", request_id)
            self._unsaved[request_id] = arguments

    async def _replay_spool(self) -> None:
        for request_id, arguments in list(self._unsaved.items()):
            await self.settle(arguments)
            del self._unsaved[request_id]
        for path in await asyncio.to_thread(self.spool.waiting):
            await self._replay(path)

    async def _record_what_waits(self) -> None:
        """A gateway's folder may end with it, as a pod's does: what Redis did not take is billed without it.

        The files stay. Where the folder does, whoever is next finds that they are recorded, and mends the counters of
        budgets; where it does not, these lack what was recorded so, until `rebuild_counters`.
        """
        unsaved = {Path(request_id): arguments for request_id, arguments in self._unsaved.items()}
        waiting = [*unsaved.items(), *await asyncio.to_thread(self.spool.unrecorded)]
        until = time.monotonic() + RECORDING_SECONDS
        for start in range(0, len(waiting), RECORDED_AT_ONCE):
            events = {path: str(arguments[EVENT]).encode() for path, arguments in waiting[start:][:RECORDED_AT_ONCE]}
            try:
                late = partial(record_late, events=list(events.values()))
                dead = await in_thread(late, seconds=max(1.0, until - time.monotonic()))
            except Unavailable:
                logger.warning("PostgreSQL is away as well: what Redis did not take is on this disk alone")
                return
            for path, event in events.items():
                if event not in dead:
                    self.spool.age(path)

    async def _replay(self, path: Path) -> None:
        """One bad file must not hold up those behind it."""
        try:
            arguments = self.spool.read(path)
            if arguments is None:
                return  # another process has taken it meanwhile
            if self.spool.is_old(path):
                await self.recovery.tell_again([(-inf, arguments)])
            else:
                await self.settle(arguments)
        except (ResponseError, ValueError, TypeError, IndexError):
            logger.exception("the settlement %s cannot be replayed; it is set aside", path)
            path.rename(path.with_suffix(".bad"))
        else:
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


async def at_work(work: Coroutine[Any, Any, Result]) -> Result:
    """For what runs outside of a server: the gateway is there as long as the work."""
    global _current
    await start()
    try:
        return await work
    finally:
        await stop()
        _current = None
