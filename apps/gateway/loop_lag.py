"""How late a process's event loop comes to what is due: what a caller waits because of another's work."""

import asyncio
import time

from apps.gateway import telemetry

EVERY_SECONDS = 0.1
MOST_MISSED = 600  # a process that stood still for longer is noticed otherwise


class LoopLag:
    """A timer on a fixed grid. Moments that were missed count, too, each as late as it was: a second in which nothing
    ran is ten callers who waited, not one."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        self._due = time.monotonic()
        self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        self._due = max(self._due, now - MOST_MISSED * EVERY_SECONDS)
        while self._due <= now:
            telemetry.lagged(now - self._due)
            self._due += EVERY_SECONDS
        self._timer = asyncio.get_running_loop().call_later(self._due - now, self._look)
