"""Embeds anew the stores that wait for it: one worker at a time, for a while, one store of each account at once."""

import time
from collections.abc import Callable, Collection

from apps.common.shifts import Choice, Shift, work_alone
from apps.knowledge.contracts import Embed
from apps.knowledge.reembedding import claims
from apps.knowledge.reembedding.work import ReembeddingWork

LOCK = "art:knowledge:reembedding"
LAST_ANSWERS_SECONDS = 45.0  # for those under way when the time is up
MOST_STORES = 4  # at once


async def run_waiting_reembeddings(
    embed: Embed, *, seconds: float, is_stopping: Callable[[], bool] = lambda: False
) -> None:
    """Works for at most `seconds`, and a little for what is under way then. Does nothing where another worker does."""
    shift = Shift(time.monotonic() + seconds, is_stopping)

    async def run(number: int) -> None:
        await ReembeddingWork(number, embed, shift).go()

    await work_alone(LOCK, _choose, run, shift=shift, last_answers=LAST_ANSWERS_SECONDS)


def _choose(running: Collection[int]) -> Choice:
    room = MOST_STORES - len(running)
    begin = claims.waiting(running=running, most=room) if room > 0 else []
    return Choice(begin=begin, drop=claims.unwanted(running))
