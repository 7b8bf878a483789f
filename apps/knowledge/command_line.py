"""What the commands of this room have in common."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from apps.common.errors import Invalid, NotFound
from apps.gateway import runtime
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.selectors import stores_by_name

Result = TypeVar("Result")


def one_store(*, account_id: int, name: str) -> StoreFacts:
    """By its id or its name. Raises NotFound, and Invalid for a name that several have."""
    found = stores_by_name(account_id=account_id, name=name)
    if not found:
        raise NotFound(f"This account has no vector store {name[:100]!r}.", code="vector_store_not_found")
    if len(found) > 1:
        raise Invalid("store", f"{len(found)} vector stores have this name; give an id, such as {found[0].public_id}.")
    return found[0]


def at_the_gateway(work: Coroutine[Any, Any, Result]) -> Result:
    """Raises ArtemisError."""

    async def run() -> Result:
        await runtime.start()
        try:
            return await work
        finally:
            await runtime.stop()

    return asyncio.run(run())
