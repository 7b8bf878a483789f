"""The embeddings engine's batches: shared, bounded, in order, and free of requests that have gone."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from inference.servers.embeddings.batching import Batcher, QueueFullError
from inference.tests.waiting import until


class Model:
    """Remembers its batches; holds still while the gate is shut."""

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()

    def embed(self, batch: Sequence[Sequence[int]]) -> list[int]:
        self.batches.append([list(ids) for ids in batch])
        assert self.gate.wait(5)
        if [666] in batch:
            raise ValueError("bad input")
        return [sum(ids) for ids in batch]


async def test_requests_that_wait_share_a_batch() -> None:
    model = Model()
    batcher = Batcher(model.embed)
    model.gate.clear()
    first = asyncio.create_task(batcher.embed([[1]]))
    await until(lambda: model.batches)
    others = [asyncio.create_task(batcher.embed([[number], [number, 1]])) for number in (10, 20)]
    await until(lambda: batcher.waiting == 4)
    model.gate.set()
    assert await first == [1]
    assert await asyncio.gather(*others) == [[10, 11], [20, 21]]
    assert len(model.batches) == 2


async def test_a_batch_stays_within_its_budget_of_padded_tokens() -> None:
    model = Model()
    batcher = Batcher(model.embed, budget=8)
    assert await batcher.embed([[1] * 3, [1] * 4, [1] * 2, [1] * 9]) == [3, 4, 2, 9]
    assert [len(batch) for batch in model.batches] == [2, 1, 1]


async def test_what_a_caller_no_longer_wants_is_not_computed() -> None:
    model = Model()
    batcher = Batcher(model.embed)
    model.gate.clear()
    first = asyncio.create_task(batcher.embed([[1]]))
    await until(lambda: model.batches)
    gone = asyncio.create_task(batcher.embed([[2]]))
    stays = asyncio.create_task(batcher.embed([[3]]))
    await until(lambda: batcher.waiting == 2)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    model.gate.set()
    assert [await first, await stays] == [[1], [3]]
    assert model.batches == [[[1]], [[3]]]


async def test_a_failed_batch_fails_its_requests_and_no_others() -> None:
    batcher = Batcher(Model().embed, budget=1)
    with pytest.raises(ValueError, match="bad input"):
        await batcher.embed([[666]])
    assert await batcher.embed([[4]]) == [4]


async def test_a_full_queue_refuses() -> None:
    with pytest.raises(QueueFullError):
        await Batcher(Model().embed, longest_queue=2).embed([[1], [2], [3]])
