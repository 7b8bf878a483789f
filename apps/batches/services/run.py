"""Runs the open batches: one worker at a time, for a while, all of them side by side."""

import time
from collections.abc import Callable, Collection

from apps.batches.contracts import Ask
from apps.batches.selectors import open_batches
from apps.batches.services.batch_run import BatchRun
from apps.batches.services.pace import Slots
from apps.common.shifts import Choice, Shift, work_alone

LOCK = "art:batches:running"
LAST_ANSWERS_SECONDS = 45.0  # for those under way when the time is up
MOST_BATCHES = 32  # at once


async def run_open_batches(ask: Ask, *, seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Works for at most `seconds`, and a little for what is under way then. Does nothing where another worker does."""
    shift, slots = Shift(time.monotonic() + seconds, is_stopping), Slots()

    async def run(batch_id: int) -> None:
        await BatchRun(batch_id, ask, slots, shift).go()

    await work_alone(LOCK, _choose, run, shift=shift, last_answers=LAST_ANSWERS_SECONDS)


def _choose(running: Collection[int]) -> Choice:
    return Choice(begin=[batch_id for batch_id in open_batches(limit=MOST_BATCHES) if batch_id not in running])
