"""How fast a model is asked, and how much at once."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from django.conf import settings

LONGEST_PAUSE = 60.0


class Pace:
    """Of one model in one batch: as fast as it answers, and slower the longer it says that it cannot.

    Refusals that come while it pauses already are of the same trouble.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    async def wait(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def slower(self, seconds: float) -> None:
        """`seconds`: how long the model, or a limit, asks to wait."""
        now = time.monotonic()
        if now >= self._until:
            self._pause = min(LONGEST_PAUSE, max(seconds, self._pause * 2))
            self._until = now + self._pause

    def good(self) -> None:
        self._pause = 0.0


class Slots:
    """How many requests may be under way: of all batches, and of one account's."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(settings.GATEWAY_BATCH_PARALLEL)
        self._own: dict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(self.share()))

    @staticmethod
    def share() -> int:
        """An account's: a quarter, so that nobody's batches keep all others' waiting."""
        return max(1, int(settings.GATEWAY_BATCH_PARALLEL) // 4)

    @contextlib.asynccontextmanager
    async def of(self, account_id: int) -> AsyncIterator[None]:
        async with self._own[account_id], self._all:
            yield
