"""Answers the lines of one batch, a few at once, each by the same door as a live request."""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from apps.batches.contracts import Ask, Question, Reply
from apps.batches.models import Batch, Status
from apps.batches.services import stages
from apps.batches.services.lines import TOO_SLOW, Task, answered_entry, request_id, tasks_of_file, unanswered_entry
from apps.batches.services.pace import Pace, Slots
from apps.common.cancelling import finished, kept
from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.common.shifts import Shift
from apps.files.services import stored
from apps.keys.selectors import current_secret_hash

LOOK_SECONDS = 1.0  # how soon a cancellation, an expiry or a new batch is seen
MOST_CUT_OFF = 4  # tries of one line that the end of a task ended: its answer takes longer than a task may
MOST_FAILURES = 8  # of one line at engines that fail; limits may make it wait for as long as its batch has
UNKNOWN_KEY = 401
ENGINES_AWAY, NO_BUDGET = "model_unavailable", "insufficient_quota"
logger = logging.getLogger(__name__)


class BatchRun:
    """One batch, from wherever it stands, until it has ended or the time is up."""

    def __init__(self, batch_id: int, ask: Ask, slots: Slots, shift: Shift) -> None:
        self._batch_id = batch_id
        self._ask = ask
        self._slots = slots
        self._shift = shift
        self._paces: dict[str, Pace] = defaultdict(Pace)
        self._reading = asyncio.Lock()
        self._last_cents = asyncio.Lock()
        self._under_way = 0
        self._ending = False

    async def go(self) -> None:
        try:
            batch = await self._row()
            if batch.status == Status.VALIDATING:
                await stored(lambda: stages.validate(batch))
                batch = await self._row()
            if batch.status == Status.IN_PROGRESS:
                await self._answer(batch)
            await stored(lambda: stages.finish(batch))
        except Exception:
            logger.exception("batch %s stopped; it is tried again", self._batch_id)
            await asyncio.sleep(LOOK_SECONDS)

    async def _row(self) -> Batch:
        return await in_thread(lambda: stages.batch_row(self._batch_id))

    async def _answer(self, batch: Batch) -> None:
        """Asks for what has no answer yet; stops at once where the batch is to end, and what is under way with it."""
        self._answered = await in_thread(lambda: stages.answered_lines(batch))
        self._history = await in_thread(lambda: stages.history(batch))
        self._secret_hash = await in_thread(lambda: current_secret_hash(key_id=batch.api_key_id))
        tasks = tasks_of_file(stages.file_of(batch), batch.endpoint)
        workers = [asyncio.create_task(self._work(batch, tasks)) for _ in range(Slots.share())]
        watch = asyncio.create_task(self._until_it_ends())
        work: asyncio.Future[Any] = asyncio.gather(*workers)
        try:
            await asyncio.wait({work, asyncio.ensure_future(watch)}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            self._ending = True
            for task in (watch, *workers):
                task.cancel()
            await asyncio.gather(watch, work, *workers, return_exceptions=True)

    async def _until_it_ends(self) -> None:
        """Returns when the batch was cancelled or has expired."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(Unavailable):  # no reason to drop what is under way
                batch = await self._row()
                if batch.status != Status.IN_PROGRESS or batch.expires_at.timestamp() <= time.time():
                    return

    async def _work(self, batch: Batch, tasks: Iterator[Task]) -> None:
        while not self._is_over():
            async with self._reading:
                task = await stored(lambda: self._next(tasks))
            if task is None:
                return
            await self._answer_line(batch, task)

    def _is_over(self) -> bool:
        return self._ending or self._shift.is_over

    def _next(self, tasks: Iterator[Task]) -> Task | None:
        return next((task for task in tasks if task.number not in self._answered), None)

    async def _answer_line(self, batch: Batch, task: Task) -> None:
        if self._history.cut_off[task.number] >= MOST_CUT_OFF:
            await self._record(batch, task, unanswered_entry(batch, task, TOO_SLOW), failed=True)
            return
        pace = self._paces[task.model]
        failures = 0
        while True:
            await pace.wait()
            tried = await self._try(batch, task)
            if tried is not None and tried[1].code == NO_BUDGET:
                tried = await self._try_alone(batch, task)
            if tried is None:
                return  # the time is up
            request, reply = tried
            if reply.retry_after is None:
                pace.good()
                break
            failures += reply.code == ENGINES_AWAY
            if failures >= MOST_FAILURES:
                break
            pace.slower(reply.retry_after)
        await self._record(batch, task, answered_entry(batch, task, reply, request), failed=reply.status != 200)

    async def _record(self, batch: Batch, task: Task, entry: bytes, *, failed: bool) -> None:
        await finished(in_thread(lambda: stages.record(batch, task.number, failed=failed, entry=entry)))

    async def _try_alone(self, batch: Batch, task: Task) -> tuple[str, Reply] | None:
        """When nothing of this batch holds budget any more: what others may cost is no reason to give this one up."""
        async with self._last_cents:
            while self._under_way:
                await asyncio.sleep(LOOK_SECONDS / 10)
            return await self._try(batch, task)

    async def _try(self, batch: Batch, task: Task) -> tuple[str, Reply] | None:
        async with self._slots.of(batch.account_id):
            if self._is_over():
                return None
            self._under_way += 1
            try:
                return await self._asked(batch, task)
            finally:
                self._under_way -= 1

    async def _asked(self, batch: Batch, task: Task) -> tuple[str, Reply]:
        while True:
            secret_hash = self._secret_hash
            tries = self._history.tries.get(task.number, 0)
            self._history.tries[task.number] = tries + 1
            request = request_id(batch, task.number, tries)
            question = Question(
                request_id=request,
                endpoint=batch.endpoint,
                body=task.body,
                secret_hash=secret_hash,
                address=batch.address,
                prepaid=task.number in self._history.charged,
            )
            reply = await kept(self._ask(question))
            if reply.status != UNKNOWN_KEY:
                return request, reply
            # The key may have a new secret: the batch belongs to the key, not to the secret that it came with.
            self._secret_hash = await in_thread(lambda: current_secret_hash(key_id=batch.api_key_id))
            if self._secret_hash == secret_hash:
                return request, reply
