"""Reads the database from async code without keeping a connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection

from apps.common.errors import Unavailable

Result = TypeVar("Result")
LONGEST_SECONDS = 5.0
AWAY = "The database is away for the moment; try again shortly."


async def in_thread(
    read: Callable[[], Result], *, seconds: float | None = LONGEST_SECONDS, executor: ThreadPoolExecutor | None = None
) -> Result:
    """Runs a synchronous read in a thread of the pool and gives its connection back at once.

    The /v1 plane sends no request signals, so nobody else would clean up after it. Raises Unavailable where the
    database does not answer. What takes longer, for it asks others as well, says how long and brings its own threads;
    None is as long as it takes, for workers.
    """

    def work() -> Result:
        try:
            return read()
        except (OperationalError, InterfaceError) as error:
            raise Unavailable(AWAY, retry_after=5) from error
        finally:
            connection.close()

    try:
        async with asyncio.timeout(seconds):
            return await sync_to_async(work, thread_sensitive=False, executor=executor)()
    except TimeoutError as error:  # the thread goes on until the server answers or is gone
        raise Unavailable(AWAY, retry_after=5) from error


def give_back_connection() -> None:
    """Before what takes long and needs no database. Within a transaction it changes nothing."""
    if not connection.in_atomic_block:
        connection.close()
