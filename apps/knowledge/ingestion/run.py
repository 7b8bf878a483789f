"""Reads the waiting documents: one worker at a time, for a while, some of each account side by side."""

import time
from collections.abc import Callable, Collection

from apps.common.shifts import Choice, Shift, work_alone
from apps.knowledge.contracts import ContextOf, Embed
from apps.knowledge.ingestion import claims
from apps.knowledge.ingestion.document import DocumentWork

LOCK = "art:knowledge:running"
LAST_ANSWERS_SECONDS = 45.0  # for those under way when the time is up
MOST_DOCUMENTS = 16  # at once


async def run_waiting_documents(
    embed: Embed,
    context_of: ContextOf,
    *,
    seconds: float,
    is_stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Works for at most `seconds`, and a little for what is under way then. Does nothing where another worker does.

    `context_of`: how many tokens a model takes.
    """
    shift = Shift(time.monotonic() + seconds, is_stopping)

    async def run(document_id: int) -> None:
        await DocumentWork(document_id, embed, context_of, shift).go()

    await work_alone(LOCK, _choose, run, shift=shift, last_answers=LAST_ANSWERS_SECONDS)


def _choose(running: Collection[int]) -> Choice:
    room = MOST_DOCUMENTS - len(running)
    begin = claims.waiting(running=running, most=MOST_DOCUMENTS)[:room] if room > 0 else []
    return Choice(begin=begin, drop=claims.unwanted(running))
