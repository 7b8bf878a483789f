"""One document, from wherever it stands, until it can be searched, has failed, or has to wait."""

import asyncio
from collections.abc import Sequence

from apps.common.cancelling import finished, kept
from apps.common.errors import ArtemisError, NotFound
from apps.common.shifts import Shift
from apps.knowledge.contracts import ContextOf, Embed, ToEmbed
from apps.knowledge.extraction import ReaderFailedError, UnreadableError
from apps.knowledge.ingestion import claims, stages
from apps.knowledge.ingestion.claimed import ClaimedWork, patiently
from apps.knowledge.ingestion.claims import Claim
from apps.knowledge.ingestion.reading import read
from apps.knowledge.models import Stage, StoreFile

TOO_LONG = "context_length_exceeded"
SHORTEST_TEXT = 200  # characters; below, a text that is too long for a model is no text for it


class DocumentWork(ClaimedWork[Claim, StoreFile]):
    REFUSED = "It could not be embedded."
    FAILED = "Reading failed on our side."
    TOLD = (ReaderFailedError,)

    def __init__(self, document_id: int, embed: Embed, context_of: ContextOf, shift: Shift) -> None:
        super().__init__(document_id)
        self._embed = embed
        self._context_of = context_of
        self._shift = shift

    def _take(self) -> tuple[Claim, StoreFile] | None:
        return claims.take(self._number)

    async def _work(self, claim: Claim, row: StoreFile) -> None:
        try:
            await self._steps(claim, row)
        except UnreadableError as error:
            await self._failed(claim, error.code, error.message)

    async def _steps(self, claim: Claim, row: StoreFile) -> None:
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

    async def _not_found(self, claim: Claim, error: NotFound) -> None:
        await self._failed(claim, "invalid_file", error.message)
