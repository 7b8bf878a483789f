"""Reads the waiting documents for their graphs: one worker at a time, for a while, some of each account side by side.

Of workers alone. Gateways and portals never import it, nor what knows language.
"""

import time
from collections.abc import Callable, Collection

from apps.common.shifts import Choice, Shift, work_alone
from apps.knowledge.graph import jobs
from apps.knowledge.graph.asking import extracted
from apps.knowledge.graph.contracts import Extract
from apps.knowledge.graph.offline import Offline
from apps.knowledge.graph.work import GraphWork

__all__ = ["extracted", "run_waiting_graphs"]
LOCK = "art:knowledge:graphs"
LAST_ANSWERS_SECONDS = 45.0
MOST_DOCUMENTS = 8  # at once


async def run_waiting_graphs(
    extract: Extract, *, seconds: float, is_stopping: Callable[[], bool] = lambda: False
) -> None:
    """Works for at most `seconds`, and a little for what is under way then. Does nothing where another worker does."""
    shift = Shift(time.monotonic() + seconds, is_stopping)
    offline = Offline()

    async def run(job_id: int) -> None:
        await GraphWork(job_id, extract, offline, shift).go()

    try:
        await work_alone(LOCK, _choose, run, shift=shift, last_answers=LAST_ANSWERS_SECONDS)
    finally:
        await offline.close()


def _choose(running: Collection[int]) -> Choice:
    room = MOST_DOCUMENTS - len(running)
    begin = jobs.waiting(running=running, most=MOST_DOCUMENTS)[:room] if room > 0 else []
    return Choice(begin=begin, drop=jobs.unwanted(running))
