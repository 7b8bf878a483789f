"""One store's re-embedding, from wherever it stands, until searches have changed over, it failed, or has to wait."""

from functools import partial

from apps.common.cancelling import finished
from apps.common.shifts import Shift
from apps.knowledge.contracts import Embed, ToEmbed
from apps.knowledge.ingestion import claims as claiming
from apps.knowledge.ingestion.asking import asked_before, embedded_by_halves
from apps.knowledge.ingestion.claimed import ClaimedWork, patiently
from apps.knowledge.models import Reembedding
from apps.knowledge.reembedding import claims, steps
from apps.knowledge.reembedding.claims import Claim
from apps.knowledge.search.indexing import build_index

INDEX_PAUSE, INDEX_WAITS = 15.0, "The index of another store is built first."


class ReembeddingWork(ClaimedWork[Claim, Reembedding]):
    REFUSED = "The store could not be embedded anew, and keeps its model."
    FAILED = "Embedding failed on our side."

    def __init__(self, number: int, embed: Embed, shift: Shift) -> None:
        super().__init__(number)
        self._embed = embed
        self._shift = shift

    def _take(self) -> tuple[Claim, Reembedding] | None:
        return claims.take(self._number)

    async def _work(self, claim: Claim, row: Reembedding) -> None:
        is_first = True
        while True:
            while (block := await patiently(lambda: steps.next_block(claim))) is not None:
                if self._shift.is_over:
                    await patiently(lambda: claiming.put_back(claim))
                    return
                await self._embedded(claim, row, block, is_first=is_first)
                is_first = False
            if (wanted := await patiently(lambda: steps.wants_index(claim))) is not None:
                if await patiently(lambda: build_index(wanted.store_id, wanted.model, int(wanted.dimensions or 0))):
                    continue  # documents may have come meanwhile
                waits = partial(claiming.let_go, claim, seconds=INDEX_PAUSE, reason=INDEX_WAITS, is_ours=False)
                await patiently(waits)
                return
            if await finished(patiently(lambda: steps.change_over(claim))):
                return

    async def _embedded(self, claim: Claim, row: Reembedding, block: steps.Block, *, is_first: bool) -> None:
        """Of the first block a worker that was killed may have been answered."""
        tries, prepaid = 0, False
        if is_first:
            asked = await patiently(lambda: asked_before(claim.account_id, block.prefix))
            tries, prepaid = asked.tries, asked.is_charged
        wanted = ToEmbed(
            request_id=f"{block.prefix}{tries}",
            key_id=row.api_key_id,
            address=row.address,
            model=row.model,
            texts=block.texts,
            prepaid=prepaid,
        )
        vectors = await embedded_by_halves(self._embed, wanted)
        await finished(patiently(lambda: steps.keep_block(claim, block, vectors)))
