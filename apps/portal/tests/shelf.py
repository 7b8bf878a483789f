"""Vector stores with documents in them, written by the steps of a worker, without a worker."""

from apps.knowledge.contracts import StoreFacts
from apps.knowledge.extraction import Passage
from apps.knowledge.ingestion import claims, stages
from apps.knowledge.ingestion.reading import Reading
from apps.knowledge.models import StoreFile
from apps.knowledge.tests.world import vector_of

MOON = Passage("The moon goes round the earth in 27 days.", ("Sky", "Moon"), 3, 12)
HOSTILE = Passage("<script>alert(1)</script> & the moons of <b>Jupiter</b>", (), None, 15)


def shelve(store: StoreFacts, file_id: str, *passages: Passage, until: str = "completed") -> None:
    """A file that is attached is read; as far as `until`: "reading", "embedding", "failed" or "completed"."""
    row = StoreFile.objects.get(store__public_id=store.public_id, file__public_id=file_id, deleted_at=None)
    taken = claims.take(row.pk)
    assert taken
    claim, row = taken
    if until == "failed":
        claims.fail(claim, "invalid_file", "There is no text in this file: is it a scan?")
    if until in ("reading", "failed"):
        return
    reading = Reading(
        media_type="application/pdf", pages=3, language="en", configuration="english", passages=list(passages)
    )
    stages.keep_reading(claim, row, reading)
    while until == "completed" and (block := stages.next_block(claim, row)):
        stages.keep_block(claim, row, block.ids, [vector_of(text) for text in block.texts])
    if until == "completed":
        stages.complete(claim)
