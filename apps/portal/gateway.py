"""The portal's way to the gateway of its own process, for pages on which something is asked of a model."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.db import connection

Result = TypeVar("Result")


def at_the_gateway(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs it in the server's event loop, where the gateway lives; no database connection is held meanwhile."""

    async def awaited() -> Result:
        return await work

    connection.close()
    return async_to_sync(awaited)()
