"""Threads of their own for what asks the storage: one that is slow must not take those that read the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from apps.common.database import in_thread

Result = TypeVar("Result")
SECONDS = 600.0
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="files")


async def stored(work: Callable[[], Result]) -> Result:
    return await in_thread(work, seconds=SECONDS, executor=_threads)
