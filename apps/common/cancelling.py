"""What must not be lost where the one who waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def kept(asking: Coroutine[Any, Any, Result]) -> Result:
    """What was asked for, also where this is cancelled in the moment in which it came: it was paid for."""
    task = asyncio.create_task(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        if task.cancelled():
            raise
        return task.result()


async def finished(writing: Coroutine[Any, Any, Result]) -> Result:
    """Runs to its end, also where this is cancelled: what counts the answers comes after it."""
    task = asyncio.create_task(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
