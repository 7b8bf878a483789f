"""One document, from wherever it stands, until it can be searched, has failed, or has to wait."""

import asyncio

from apps.common.cancelling import finished
from apps.common.errors import NotFound
from apps.common.shifts import Shift
from apps.knowledge.contracts import ContextOf, Embed, ToEmbed
from apps.knowledge.extraction import ReaderFailedError, UnreadableError
from apps.knowledge.ingestion import catching_up, claims, stages
from apps.knowledge.ingestion.asking import Asked, asked_before, embedded_by_halves
from apps.knowledge.ingestion.claimed import ClaimedWork, patiently
from apps.knowledge.ingestion.claims import Claim
from apps.knowledge.ingestion.reading import read
from apps.knowledge.models import Stage, StoreFile


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
        done = row.passages_done if row.stage == Stage.EMBEDDING else 0
        asked = await patiently(lambda: asked_before(claim.account_id, stages.request_prefix(claim, done)))
        while (block := await patiently(lambda: stages.next_block(claim, row))) is not None:
            if self._shift.is_over:
                await patiently(lambda: claims.put_back(claim))
                return
            vectors = await self._vectors(row, block, stages.request_prefix(claim, done), asked)
            await finished(patiently(lambda: stages.keep_block(claim, row, block.ids, vectors)))  # noqa: B023
            done += len(block.ids)
            asked = Asked()
        while not await finished(patiently(lambda: stages.complete(claim))):
            if not await self._catch_up(claim):
                return

    async def _read(self, claim: Claim, row: StoreFile) -> None:
        content = await patiently(lambda: stages.content_of(row))
        context = await patiently(lambda: self._context_of(name=row.store.embedding_model))
        reading = await asyncio.to_thread(
            lambda: read(
                content, filename=row.file.name, max_tokens=row.max_tokens, overlap=row.overlap, context=context
            )
        )
        await finished(patiently(lambda: stages.keep_reading(claim, row, reading)))

    async def _catch_up(self, claim: Claim) -> bool:
        """The store has had another model since this reading began. Whether all is done."""
        row = await patiently(lambda: catching_up.row_now(claim))
        while (found := await patiently(lambda: catching_up.next_block(claim, row))) is not None:
            if self._shift.is_over:
                await patiently(lambda: claims.put_back(claim))
                return False
            prefix, block = found
            asked = await patiently(lambda: asked_before(claim.account_id, prefix))  # noqa: B023
            vectors = await self._vectors(row, block, prefix, asked)
            await finished(patiently(lambda: catching_up.keep_block(claim, row, block.ids, vectors)))  # noqa: B023
        return True

    async def _vectors(self, row: StoreFile, block: stages.ToKeep, prefix: str, asked: Asked) -> list[list[float]]:
        places = [place for place in range(len(block.ids)) if place not in block.known]
        found = dict(block.known)
        if places:
            wanted = ToEmbed(
                request_id=f"{prefix}{asked.tries}",
                key_id=row.api_key_id,
                address=row.address,
                model=row.store.embedding_model,
                texts=[block.texts[place] for place in places],
                prepaid=asked.is_charged,
            )
            vectors = await embedded_by_halves(self._embed, wanted)
            found.update(zip(places, vectors, strict=True))
        return [found[place] for place in range(len(block.ids))]

    async def _not_found(self, claim: Claim, error: NotFound) -> None:
        await self._failed(claim, "invalid_file", error.message)
