"""Work on what was claimed: the claim is kept alive meanwhile, and given back with a reason, however the work ends."""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from apps.common.cancelling import finished
from apps.common.database import in_thread
from apps.common.errors import ArtemisError, NotFound, Unavailable
from apps.knowledge.ingestion import claims
from apps.knowledge.ingestion.claims import Held, LostError

Result = TypeVar("Result")
Claimed = TypeVar("Claimed", bound=Held)
Row = TypeVar("Row")
HEARTBEAT_SECONDS = 5.0
PAUSE_SECONDS = 10.0  # after a failure of ours
logger = logging.getLogger(__name__)


async def patiently(work: Callable[[], Result]) -> Result:
    """In a thread, however long it takes. Raises Unavailable where the database is away."""
    return await in_thread(work, seconds=None)


class ClaimedWork(ABC, Generic[Claimed, Row]):
    """`REFUSED` stands before the sentence of a refusal that waiting does not help; `FAILED` says what failed on our
    side. What is raised as `TOLD` was told already."""

    REFUSED: str
    FAILED: str
    TOLD: tuple[type[Exception], ...] = ()

    def __init__(self, number: int) -> None:
        self._number = number

    @abstractmethod
    def _take(self) -> tuple[Claimed, Row] | None:
        """None where another worker was quicker, or where there is nothing more to do."""

    @abstractmethod
    async def _work(self, claim: Claimed, row: Row) -> None: ...

    async def go(self) -> None:
        taken = await patiently(self._take)
        if taken is None:
            return
        claim, row = taken
        heart = asyncio.create_task(self._beat(claim))
        try:
            await self._work(claim, row)
        except LostError:
            logger.info("%s %s is somebody else's now, or nobody's", type(self).__name__, self._number)
        except NotFound as error:
            await self._not_found(claim, error)
        except ArtemisError as error:
            await self._refused(claim, error)
        except asyncio.CancelledError:
            await finished(patiently(lambda: claims.put_back(claim)))
            raise
        except Exception as error:
            if not isinstance(error, self.TOLD):
                logger.exception("%s %s stopped; it is tried again", type(self).__name__, self._number)
            await self._again(claim, self.FAILED, PAUSE_SECONDS)
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _not_found(self, claim: Claimed, error: NotFound) -> None:
        await self._refused(claim, error)

    async def _refused(self, claim: Claimed, error: ArtemisError) -> None:
        """What passes is waited for; what the caller must do something about is told."""
        if error.retry_after is not None:
            await self._again(claim, error.message, error.retry_after, is_ours=error.status >= 500)
        elif error.status >= 500:
            await self._again(claim, error.message, PAUSE_SECONDS)
        else:
            await self._failed(claim, "server_error", f"{self.REFUSED} {error.message}")

    async def _failed(self, claim: Claimed, code: str, message: str) -> None:
        await patiently(lambda: claims.fail(claim, code, message))

    async def _again(self, claim: Claimed, reason: str, seconds: float, *, is_ours: bool = True) -> None:
        await patiently(lambda: claims.let_go(claim, seconds=max(seconds, 1.0), reason=reason, is_ours=is_ours))

    async def _beat(self, claim: Claimed) -> None:
        """Work may take longer than a lease."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(Unavailable):  # the lease has time for another try
                await patiently(lambda: claims.renew(claim))
