"""Makes the responses that wait in the background: one worker at a time, a few side by side."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from django.conf import settings

from apps.common.cancelling import finished, kept
from apps.common.database import in_thread
from apps.common.errors import ArtemisError, Unavailable
from apps.common.shifts import LOOK_SECONDS, Choice, Shift, work_alone
from apps.responses.contracts import Ask
from apps.responses.selectors import next_runs, unfinished_runs
from apps.responses.services import stages

LOCK = "art:responses:running"
LAST_ANSWERS_SECONDS = 300.0  # for those under way when the time is up
SAVE_SECONDS = 60.0  # for which a database that is away is asked again: the answer is paid for
OURS = ArtemisError("Something went wrong on our side; it is logged.")
logger = logging.getLogger(__name__)


async def run_waiting_responses(ask: Ask, *, seconds: float, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Works for at most `seconds`, and takes its time for what is under way then. Does nothing where another worker
    does."""

    async def run(run_id: int) -> None:
        await _run(run_id, ask)

    shift = Shift(time.monotonic() + seconds, is_stopping)
    await work_alone(LOCK, _choose, run, shift=shift, last_answers=LAST_ANSWERS_SECONDS)


def _choose(running: Collection[int]) -> Choice:
    """An account's share is a quarter, so that nobody's responses keep all others' waiting."""
    most = settings.RESPONSES_BACKGROUND_PARALLEL
    wanted = unfinished_runs(among=running)
    following = next_runs(running=running, most=most + len(running), most_of_account=max(1, most // 4))
    new = [run_id for run_id in following if run_id not in running]
    return Choice(begin=new[: max(0, most - len(wanted))], drop=set(running) - wanted)


async def _run(run_id: int, ask: Ask) -> None:
    """One try. Where it is cancelled, another worker goes on, unless nobody wants the response any more."""
    try:
        errand = await in_thread(lambda: stages.begin(run_id))
    except Exception:
        logger.exception("response in the background %s could not be begun; it is tried again", run_id)
        return
    if errand is None:
        return
    try:
        body = await kept(ask(errand))
    except ArtemisError as error:
        refusal = error
    except Exception:
        logger.exception("%s failed", errand.request_id)
        refusal = OURS
    else:
        await finished(_saved(lambda: stages.finish(run_id, body)))
        return
    await finished(_saved(lambda: stages.refuse(run_id, refusal)))


async def _saved(write: Callable[[], None]) -> None:
    until = time.monotonic() + SAVE_SECONDS
    while True:
        try:
            await in_thread(write)
        except Unavailable:
            if time.monotonic() >= until:
                logger.exception("the end of a response in the background could not be kept; it is tried again")
                return
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return
