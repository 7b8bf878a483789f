"""What all gateways of a machine share about the engines, by the second: their load, and requests that kill them."""

import asyncio
import hashlib
import logging
import os
import socket
import time
from collections.abc import Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.catalog.selectors import COUNTED_PROVIDERS
from apps.gateway.contracts import Call
from inference.client import EngineClient
from inference.errors import EngineError
from inference.load import Load, LoadBoard, parse_metrics
from inference.router import Deployment

POLL_SECONDS = 1.0
LEASE_MS = 2500
KEPT_MS = 5000
QUARANTINE_SECONDS = 600
QUARANTINE = "art:quarantine"
logger = logging.getLogger(__name__)
_loads = msgspec.json.Decoder(dict[str, Load])


class EngineWatch:
    """One process of a machine asks the engines and tells the others through Redis; without Redis each asks itself."""

    def __init__(self, redis: "Redis", client: EngineClient) -> None:
        self._redis = redis
        self._client = client
        self._me = f"{os.getpid()}-{time.monotonic_ns()}"
        self._name = f"art:load:{socket.gethostname()}"
        self.board = LoadBoard()
        self._quarantined: set[str] = set()

    async def look(self, deployments: Iterable[Deployment]) -> set[str]:
        """To be called once a second: the deployments whose engines tell of themselves again."""
        watched = [one for one in deployments if one.provider in COUNTED_PROVIDERS]
        back: set[str] = set()
        try:
            if watched:
                back = await self._look_together(watched)
            now = time.time()
            found: Any = await self._redis.zrangebyscore(QUARANTINE, now, "+inf")
            self._quarantined = {name.decode() for name in found}
        except RedisError:
            back = self.board.update(await self._ask(watched))
        return back

    def is_quarantined(self, call: Call) -> bool:
        return bool(self._quarantined) and fingerprint(call) in self._quarantined

    async def quarantine(self, call: Call) -> None:
        """No engine gets this request again for a while, from any gateway."""
        name = fingerprint(call)
        self._quarantined.add(name)
        logger.error("%s took down two engines; it is refused for %d s", call.request_id, QUARANTINE_SECONDS)
        try:
            await self._redis.zadd(QUARANTINE, {name: time.time() + QUARANTINE_SECONDS})
            await self._redis.zremrangebyscore(QUARANTINE, "-inf", time.time())
        except RedisError:
            logger.warning("Redis is away: other gateways do not know of the quarantine of %s", call.request_id)

    async def _look_together(self, watched: list[Deployment]) -> set[str]:
        if await self._is_my_turn():
            loads = await self._ask(watched)
            await self._redis.set(self._name, msgspec.json.encode(loads), px=KEPT_MS)
            return self.board.update(loads)
        told = await self._redis.get(self._name)
        return self.board.update(_loads.decode(told)) if told else set()

    async def _is_my_turn(self) -> bool:
        lease = f"{self._name}:by"
        if await self._redis.set(lease, self._me, nx=True, px=LEASE_MS):
            return True
        if await self._redis.get(lease) != self._me.encode():
            return False
        return bool(await self._redis.pexpire(lease, LEASE_MS))

    async def _ask(self, watched: list[Deployment]) -> dict[str, Load]:
        """Each engine once, however many models it serves."""
        pages: dict[str, Any] = {}
        for one in watched:
            url = one.route("/metrics")
            pages.setdefault(url, asyncio.ensure_future(self._page(url, one.api_key)))
        await asyncio.gather(*pages.values())
        loads: dict[str, Load] = {}
        for one in watched:
            text = pages[one.route("/metrics")].result()
            load = parse_metrics(text)
            if load is not None:
                loads[one.id] = load
        return loads

    async def _page(self, url: str, api_key: str) -> str:
        try:
            return (await self._client.get(url, api_key=api_key, seconds=0.8)).decode(errors="replace")
        except (EngineError, ValueError):
            return ""


def fingerprint(call: Call) -> str:
    """The same for the same request of the same account."""
    body = msgspec.json.encode([call.key.account_id, call.endpoint, call.model.public_name, call.payload])
    return hashlib.blake2b(body, digest_size=16).hexdigest()
