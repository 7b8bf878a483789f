"""Dynamic batching: inputs of all waiting requests share the model's runs, first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

Embed = Callable[[Sequence[Sequence[int]]], Any]


class QueueFullError(Exception):
    """More inputs wait than the engine is willing to hold."""


@dataclass(frozen=True, eq=False)
class _Item:
    ids: list[int]
    done: "asyncio.Future[Any]"


class Batcher:
    """Takes inputs in order until the token budget is full and embeds them in one go, off the event loop.

    `budget` counts padded tokens of one run of the model; `longest_queue` counts waiting inputs.
    """

    def __init__(self, embed: Embed, *, budget: int = 4096, longest_queue: int = 8192) -> None:
        self._embed = embed
        self._budget = budget
        self._longest_queue = longest_queue
        self._waiting: deque[_Item] = deque()
        self._worker: asyncio.Task[None] | None = None
        # One thread: the runtime itself uses every core for one run.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")

    @property
    def waiting(self) -> int:
        """Inputs that no run of the model has taken yet."""
        return len(self._waiting)

    async def embed(self, inputs: Sequence[list[int]]) -> list[Any]:
        """One vector per input, in order. Cancelling takes what has not run yet out of the queue."""
        if len(self._waiting) + len(inputs) > self._longest_queue:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        items = [_Item(ids, loop.create_future()) for ids in inputs]
        self._waiting.extend(items)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        try:
            return [await item.done for item in items]
        finally:
            for item in items:
                item.done.cancel()

    async def _work(self) -> None:
        """Runs while there is work, then ends."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._take():
                try:
                    vectors = await loop.run_in_executor(self._thread, self._embed, [item.ids for item in batch])
                except Exception as error:
                    _fail(batch, error)
                    continue
                for item, vector in zip(batch, vectors, strict=True):
                    if not item.done.done():
                        item.done.set_result(vector)
        finally:
            self._worker = None

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        longest = 0
        while self._waiting:
            item = self._waiting[0]
            if item.done.done():  # its caller has left
                self._waiting.popleft()
                continue
            longest = max(longest, len(item.ids))
            if batch and longest * (len(batch) + 1) > self._budget:
                break
            batch.append(self._waiting.popleft())
        return batch


def _fail(batch: Sequence[_Item], error: Exception) -> None:
    for item in batch:
        if not item.done.done():
            item.done.set_exception(error)
