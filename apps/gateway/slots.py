"""Who is awake where several engines share a GPU by turns: a call for one that sleeps wakes it, or goes elsewhere.

All gateways decide together, in Redis: whoever gets a slot's lock puts the least recently used engine there to sleep,
once no call uses it any more, and wakes the one that is wanted. Calls that use an engine hold a lease there.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.common.redis_pipe import RedisPipe
from apps.gateway import telemetry
from apps.gateway.admission import run_script
from inference.client import EngineClient
from inference.errors import EngineAsleep, EngineError
from inference.router import Deployment
from inference.sleep import Sleep
from inference.sleeping import fall_asleep, is_asleep, wake_up

LEASE_MS = 15_000
LOCK_MS = 10_000
POLL_SECONDS = 0.05
logger = logging.getLogger(__name__)
Keep = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


@dataclass(frozen=True, slots=True)
class Use:
    """Of an engine, by one call."""

    slot: str
    deployment: str
    id: str


class Slots:
    """`keep` runs work to its end even if the one who asked for it is gone."""

    def __init__(self, redis: "Redis", pipe: RedisPipe, client: EngineClient, keep: Keep) -> None:
        self._redis = redis
        self._pipe = pipe
        self._client = client
        self._keep = keep
        self._uses: set[Use] = set()

    async def enter(
        self, deployment: Deployment, sleep: Sleep, others: Collection[Deployment], until: float
    ) -> Use | None:
        """Returns once it is awake; to be left when the call has ended. Raises EngineAsleep where that takes too long.

        Raises another EngineError where it does not answer at all. `others`: all deployments of the slot. `until`: of
        time.monotonic.
        """
        use = Use(sleep.slot, deployment.id, uuid.uuid4().hex)
        until = min(until, time.monotonic() + sleep.wake_seconds)
        try:
            while not await run_script(self._pipe, "slot_enter", use.slot, use.deployment, use.id, LEASE_MS):
                if time.monotonic() >= until:
                    raise EngineAsleep(f"{deployment.id} was not awake within {sleep.wake_seconds:g} s")
                await self._try_to_wake(deployment, sleep, others, until)
        except RedisError as error:
            if await is_asleep(self._client, deployment):
                raise EngineAsleep("Redis is away, and without it nobody is woken") from error
            return None
        self._uses.add(use)
        return use

    def leave(self, use: Use) -> None:
        self._uses.discard(use)
        self._keep(self._forget(use))

    async def renew(self) -> None:
        """To be called every few seconds."""
        if not self._uses:
            return
        expiry = await self._now() + LEASE_MS
        async with self._redis.pipeline(transaction=False) as commands:
            for use in self._uses:
                commands.zadd(_uses(use.slot, use.deployment), {use.id: expiry}, xx=True)
            await commands.execute()

    async def _forget(self, use: Use) -> None:
        with contextlib.suppress(RedisError):
            await self._redis.zrem(_uses(use.slot, use.deployment), use.id)

    async def _try_to_wake(
        self, deployment: Deployment, sleep: Sleep, others: Collection[Deployment], until: float
    ) -> None:
        """Where nobody else is at it. A caller who hangs up leaves no slot half changed."""
        turn = self._keep(self._wake(deployment, sleep, others, until))
        done, _ = await asyncio.wait([turn], timeout=max(0.0, until - time.monotonic()))
        if done and (error := turn.result()):
            raise error
        await asyncio.sleep(POLL_SECONDS)

    async def _wake(
        self, deployment: Deployment, sleep: Sleep, others: Collection[Deployment], until: float
    ) -> EngineError | None:
        """What was wrong with the engine, where something was."""
        try:
            async with self._lock(sleep.slot) as mine:
                if mine:
                    await self._take_turn(deployment, sleep, others, until)
        except EngineError as error:
            return error
        except RedisError as error:
            logger.warning("%s could not be woken: %s", deployment.id, error)
        return None

    async def _take_turn(
        self, deployment: Deployment, sleep: Sleep, others: Collection[Deployment], until: float
    ) -> None:
        began = time.monotonic()
        if not await is_asleep(self._client, deployment):
            await self._note(sleep.slot, await self._ask_all(others))
            return
        awake = await self._ask_all(others)
        while len(awake) >= sleep.awake:
            victim = await self._idle(sleep.slot, [one for one in others if one.id in awake], until)
            if victim is None or victim.sleep is None:
                return
            await fall_asleep(self._client, victim, victim.sleep)
            awake.discard(victim.id)
            await self._note(sleep.slot, awake)
        await wake_up(self._client, deployment, sleep)
        await self._note(sleep.slot, awake | {deployment.id}, woken=deployment.id)
        telemetry.woken(deployment.id, time.monotonic() - began)

    async def _ask_all(self, deployments: Collection[Deployment]) -> set[str]:
        """Those that are awake, by what they say themselves; who does not answer takes no room."""
        states = await asyncio.gather(*(is_asleep(self._client, one) for one in deployments), return_exceptions=True)
        return {one.id for one, asleep in zip(deployments, states, strict=True) if asleep is False}

    async def _idle(self, slot: str, awake: Collection[Deployment], until: float) -> Deployment | None:
        """The least recently used of those that may sleep, once no call uses it; none gets there any more then."""
        while time.monotonic() < until:
            victim = await self._least_recently_used(slot, awake)
            if victim is not None:
                await self._redis.set(_key(slot, "leaving"), victim.id, px=LOCK_MS)
                if await self._is_unused(slot, victim.id):
                    return victim
            await asyncio.sleep(POLL_SECONDS)
        await self._redis.delete(_key(slot, "leaving"))
        return None

    async def _least_recently_used(self, slot: str, awake: Collection[Deployment]) -> Deployment | None:
        now = await self._now()
        woken = await self._redis.hgetall(_key(slot, "woken"))
        used = await self._redis.hgetall(_key(slot, "used"))
        may = [
            one
            for one in awake
            if one.sleep
            and not one.sleep.pinned
            and now - int(woken.get(one.id.encode(), 0)) >= one.sleep.stay_seconds * 1000
        ]
        return min(may, key=lambda one: int(used.get(one.id.encode(), 0)), default=None)

    async def _is_unused(self, slot: str, deployment: str) -> bool:
        name = _uses(slot, deployment)
        await self._redis.zremrangebyscore(name, "-inf", await self._now())
        return not await self._redis.zcard(name)

    async def _note(self, slot: str, awake: Collection[str], *, woken: str = "") -> None:
        now = await self._now()
        async with self._redis.pipeline(transaction=True) as commands:
            commands.delete(_key(slot, "awake"), _key(slot, "leaving"))
            if awake:
                commands.sadd(_key(slot, "awake"), *awake)
            if woken:
                commands.hset(_key(slot, "woken"), woken, str(now))
            await commands.execute()

    async def _now(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds * 1000 + microseconds // 1000)

    @contextlib.asynccontextmanager
    async def _lock(self, slot: str) -> AsyncIterator[bool]:
        """Whether it is ours; renewed as long as it is, since to wake takes a while."""
        name, me = _key(slot, "lock"), uuid.uuid4().hex
        if not await self._redis.set(name, me, nx=True, px=LOCK_MS):
            yield False
            return

        async def renewed() -> None:
            while True:
                await asyncio.sleep(LOCK_MS / 3000)
                await self._redis.pexpire(name, LOCK_MS)

        renewing = asyncio.create_task(renewed())
        try:
            yield True
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            if await self._redis.get(name) == me.encode():
                await self._redis.delete(name)


def _key(slot: str, what: str) -> str:
    return f"art:slot:{slot}:{what}"


def _uses(slot: str, deployment: str) -> str:
    return _key(slot, f"uses:{deployment}")
