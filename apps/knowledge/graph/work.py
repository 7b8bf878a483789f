"""One document on its way into a graph, from wherever it stands, until all its passages were looked at."""

import asyncio

from apps.common.cancelling import finished, kept
from apps.common.errors import ArtemisError
from apps.common.shifts import Shift
from apps.knowledge.graph import jobs, keeping
from apps.knowledge.graph.asking import UselessAnswerError, findings_of
from apps.knowledge.graph.contracts import Extract, ToExtract
from apps.knowledge.graph.jobs import GraphClaim
from apps.knowledge.graph.keeping import Block, Found
from apps.knowledge.graph.language.findings import Findings
from apps.knowledge.graph.offline import ENGLISH, LanguageFailedError, Offline
from apps.knowledge.ingestion import claims
from apps.knowledge.ingestion.claimed import ClaimedWork, patiently
from apps.knowledge.models import GraphDocument, Method

OFFLINE_BLOCK, MODEL_BLOCK = 32, 4  # passages; a model is asked for those of a block side by side
UNFIT = ("context_length_exceeded", "content_policy_violation")
"""Refusals that are about a passage and not about whoever asks."""
NO_MODEL = (
    "Of this language ({language}) there is no model here: names are what is written with a capital, their types are "
    "not known, and the only relation is to stand in one sentence. A language model finds more."
)
SKIPPED = "Of {count} of {total} passages the model's answer was of no use; they are left out of the graph."


class GraphWork(ClaimedWork[GraphClaim, GraphDocument]):
    REFUSED = "The model could not be asked."
    FAILED = "Looking for names failed on our side."
    TOLD = (LanguageFailedError,)

    def __init__(self, job_id: int, extract: Extract, offline: Offline, shift: Shift) -> None:
        super().__init__(job_id)
        self._extract = extract
        self._offline = offline
        self._shift = shift

    def _take(self) -> tuple[GraphClaim, GraphDocument] | None:
        return jobs.take(self._number)

    async def _work(self, claim: GraphClaim, row: GraphDocument) -> None:
        by_model = row.graph.method == Method.MODEL
        done, skipped = row.passages_done, row.passages_skipped
        asked = await patiently(lambda: keeping.asked_before(claim, done)) if by_model else {}
        most = MODEL_BLOCK if by_model else OFFLINE_BLOCK
        while (block := await patiently(lambda: keeping.next_block(claim, most=most))) is not None:
            if self._shift.is_over:
                await patiently(lambda: claims.put_back(claim))
                return
            if by_model:
                found = Found(await self._by_model(row, block, done, asked))
            else:
                found = Found([*await self._offline.found_in(block.texts, _language(row))])
            await finished(patiently(lambda: keeping.keep(claim, block, found)))  # noqa: B023
            done, skipped = done + len(block.ids), skipped + found.skipped
        note = _note(row, skipped, done)
        await finished(patiently(lambda: keeping.complete(claim, note=note)))

    async def _by_model(
        self, row: GraphDocument, block: Block, done: int, asked: dict[int, int]
    ) -> list[Findings | None]:
        """All are waited for, also where one is refused: the others' answers are paid for."""
        asking = [self._of_passage(row, block, place, done + place, asked) for place in range(len(block.ids))]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        found: list[Findings | None] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found.append(answer)
        return found

    async def _of_passage(
        self, row: GraphDocument, block: Block, place: int, position: int, asked: dict[int, int]
    ) -> Findings | None:
        """None where the answer was of no use."""
        before = asked.pop(position, 0)
        wanted = ToExtract(
            request_id=f"req_vsg_{row.pk}_{position}_{abs(before)}",
            key_id=row.document.api_key_id,
            address=row.document.address,
            model=row.graph.model,
            text=block.texts[place],
            headings=block.headings[place],
            prepaid=before < 0,
        )
        try:
            return findings_of(await kept(self._extract(wanted)), wanted.text)
        except UselessAnswerError:
            return None
        except ArtemisError as error:
            if error.code in UNFIT:
                return None
            raise


def _language(row: GraphDocument) -> str:
    """What is too short to be told is taken for English."""
    return row.document.language or ENGLISH


def _note(row: GraphDocument, skipped: int, total: int) -> str:
    if row.graph.method == Method.OFFLINE and _language(row) != ENGLISH:
        return NO_MODEL.format(language=_language(row))
    return SKIPPED.format(count=skipped, total=total) if skipped else ""
