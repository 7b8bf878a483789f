"""One document, from wherever it stands, until it can be searched, has failed, or has to wait."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from apps.common.cancelling import finished, kept
from apps.common.database import in_thread
from apps.common.errors import ArtemisError, NotFound, Unavailable
from apps.common.shifts import Shift
from apps.knowledge.contracts import ContextOf, Embed, ToEmbed
from apps.knowledge.extraction import ReaderFailedError, UnreadableError
from apps.knowledge.ingestion import claims, stages
from apps.knowledge.ingestion.claims import Claim, LostError
from apps.knowledge.ingestion.reading import read
from apps.knowledge.models import Stage, StoreFile

Result = TypeVar("Result")
HEARTBEAT_SECONDS = 5.0
PAUSE_SECONDS = 10.0  # after a failure of ours
TOO_LONG = "context_length_exceeded"
SHORTEST_TEXT = 200  # characters; below, a text that is too long for a model is no text for it
logger = logging.getLogger(__name__)


async def patiently(work: Callable[[], Result]) -> Result:
    """In a thread, however long it takes. Raises Unavailable where the database is away."""
    return await in_thread(work, seconds=None)


class DocumentWork:
    def __init__(self, document_id: int, embed: Embed, context_of: ContextOf, shift: Shift) -> None:
        self._document_id = document_id
        self._embed = embed
        self._context_of = context_of
        self._shift = shift

    async def go(self) -> None:
        taken = await patiently(lambda: claims.take(self._document_id))
        if taken is None:
            return
        claim, row = taken
        heart = asyncio.create_task(self._beat(claim))
        try:
            await self._work(claim, row)
        except LostError:
            logger.info("document %s is somebody else's now, or nobody's", self._document_id)
        except UnreadableError as error:
            await self._failed(claim, error.code, error.message)
        except NotFound as error:
            await self._failed(claim, "invalid_file", error.message)
        except ArtemisError as error:
            await self._refused(claim, error)
        except asyncio.CancelledError:
            await finished(patiently(lambda: claims.put_back(claim)))
            raise
        except Exception as error:
            if not isinstance(error, ReaderFailedError):
                logger.exception("document %s stopped; it is tried again", self._document_id)
            await self._again(claim, "Reading failed on our side.", PAUSE_SECONDS)
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _work(self, claim: Claim, row: StoreFile) -> None:
        if row.stage == Stage.READING:
            await self._read(claim, row)
        asked = await patiently(lambda: stages.asked_before(claim, row.passages_done))
        done = row.passages_done if row.stage == Stage.EMBEDDING else 0
        while (block := await patiently(lambda: stages.next_block(claim, row))) is not None:
            if self._shift.is_over:
                await patiently(lambda: claims.put_back(claim))
                return
            vectors = await self._vectors(claim, row, block, done, asked)
            await finished(patiently(lambda: stages.keep_block(claim, row, block.ids, vectors)))  # noqa: B023
            done += len(block.ids)
            asked = stages.Asked(tries=0, is_charged=False)
        await finished(patiently(lambda: stages.complete(claim)))

    async def _read(self, claim: Claim, row: StoreFile) -> None:
        content = await patiently(lambda: stages.content_of(row))
        context = await patiently(lambda: self._context_of(name=row.store.embedding_model))
        reading = await asyncio.to_thread(
            lambda: read(
                content, filename=row.file.name, max_tokens=row.max_tokens, overlap=row.overlap, context=context
            )
        )
        await finished(patiently(lambda: stages.keep_reading(claim, row, reading)))

    async def _vectors(
        self, claim: Claim, row: StoreFile, block: stages.ToKeep, done: int, asked: stages.Asked
    ) -> list[list[float]]:
        places = [place for place in range(len(block.ids)) if place not in block.known]
        found = dict(block.known)
        if places:
            prefix = stages.request_prefix(claim, done)
            texts = [block.texts[place] for place in places]
            vectors = await self._embedded(row, texts, prefix, asked.tries, prepaid=asked.is_charged)
            found.update(zip(places, vectors, strict=True))
        return [found[place] for place in range(len(block.ids))]

    async def _embedded(
        self, row: StoreFile, texts: Sequence[str], prefix: str, tries: int, *, prepaid: bool = False
    ) -> list[list[float]]:
        """A text that the model finds too long is embedded by its first half; found it is by all of its words."""
        try:
            return await kept(
                self._embed(
                    ToEmbed(
                        request_id=f"{prefix}{tries}",
                        key_id=row.api_key_id,
                        address=row.address,
                        model=row.store.embedding_model,
                        texts=texts,
                        prepaid=prepaid,
                    )
                )
            )
        except ArtemisError as error:
            if error.code != TOO_LONG or (len(texts) == 1 and len(texts[0]) < SHORTEST_TEXT):
                raise
        if len(texts) == 1:
            return await self._embedded(row, [texts[0][: len(texts[0]) // 2]], f"{prefix}{tries}h", 0)
        middle = len(texts) // 2
        first = await self._embedded(row, texts[:middle], f"{prefix}{tries}a", 0)
        return first + await self._embedded(row, texts[middle:], f"{prefix}{tries}b", 0)

    async def _refused(self, claim: Claim, error: ArtemisError) -> None:
        """What passes is waited for; what the caller must do something about is told."""
        if error.retry_after is not None:
            await self._again(claim, error.message, error.retry_after, is_ours=error.status >= 500)
        elif error.status >= 500:
            await self._again(claim, error.message, PAUSE_SECONDS)
        else:
            await self._failed(claim, "server_error", f"It could not be embedded. {error.message}")

    async def _failed(self, claim: Claim, code: str, message: str) -> None:
        await patiently(lambda: claims.fail(claim, code, message))

    async def _again(self, claim: Claim, reason: str, seconds: float, *, is_ours: bool = True) -> None:
        await patiently(lambda: claims.let_go(claim, seconds=max(seconds, 1.0), reason=reason, is_ours=is_ours))

    async def _beat(self, claim: Claim) -> None:
        """Reading and embedding may take longer than a lease."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(Unavailable):  # the lease has time for another try
                await patiently(lambda: claims.renew(claim))
