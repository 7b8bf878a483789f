"""How fast a model is asked: as fast as it answers, and slower the longer it says that it cannot."""

import asyncio
import time

LONGEST_PAUSE = 60.0


class Pace:
    """Of one model in one batch. Refusals that come while it pauses already are of the same trouble."""

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
