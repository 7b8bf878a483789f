"""The steps of a document, each of them one transaction that only the claim's holder can commit."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from apps.files.selectors import content_of_file
from apps.files.selectors import facts as file_facts
from apps.knowledge.graph.following import follow
from apps.knowledge.ingestion.asking import BLOCK, within_tokens
from apps.knowledge.ingestion.claims import LEASE, Claim, LostError
from apps.knowledge.ingestion.reading import Reading, digest, embedded_text
from apps.knowledge.models import Passage, PassageVector, Stage, Status, StoreFile, VectorStore
from apps.knowledge.search.postings import add_postings
from apps.knowledge.walls import within

ROWS = 500  # written by one statement
EMBEDDED_BY = ("id", "text", "headings", "tokens", "digest")


@dataclass(frozen=True, slots=True)
class ToKeep:
    """Passages whose vectors are next, and what each is embedded by. `known`: vectors that an older version had."""

    ids: list[int]
    texts: list[str]
    known: dict[int, list[float]]


def content_of(row: StoreFile) -> bytes:
    """Raises Invalid for more than documents may have, NotFound where it was deleted meanwhile."""
    return content_of_file(file=file_facts(row.file))


def keep_reading(claim: Claim, row: StoreFile, reading: Reading) -> None:
    """All of a document's passages, instead of those of a reading that was broken off. Raises LostError."""
    with within(claim.account_id):
        hold(claim)
        Passage.objects.filter(account_id=claim.account_id, document_id=claim.document_id).delete()
        made = (
            Passage(
                account_id=claim.account_id,
                store_id=row.store_id,
                document_id=row.pk,
                position=position,
                text=passage.text,
                headings=list(passage.headings),
                page=passage.page,
                tokens=passage.tokens,
                digest=digest(embedded_text(passage.headings, passage.text)),
            )
            for position, passage in enumerate(reading.passages)
        )
        Passage.objects.bulk_create(made, batch_size=ROWS)
        claim.rows().update(
            stage=Stage.EMBEDDING,
            media_type=reading.media_type,
            pages=reading.pages,
            language=reading.language,
            configuration=reading.configuration,
            passages_total=len(reading.passages),
            passages_done=0,
            claims=0,
            claimed_until=timezone.now() + LEASE,
        )


def next_block(claim: Claim, row: StoreFile) -> ToKeep | None:
    """None once every passage has its vector. Raises LostError."""
    with within(claim.account_id):
        state = hold(claim)
        mine = Passage.objects.filter(account_id=claim.account_id, document_id=row.pk)
        found = mine.filter(position__gte=state.passages_done).order_by("position").only(*EMBEDDED_BY)[:BLOCK]
        return to_keep(row, within_tokens(list(found)))


def to_keep(row: StoreFile, found: Sequence[Passage]) -> ToKeep | None:
    """Within the account's walls."""
    if not found:
        return None
    known = _known_vectors(row, [bytes(passage.digest) for passage in found])
    return ToKeep(
        ids=[passage.pk for passage in found],
        texts=[embedded_text(passage.headings, passage.text) for passage in found],
        known={
            place: known[bytes(passage.digest)] for place, passage in enumerate(found) if bytes(passage.digest) in known
        },
    )


def keep_block(claim: Claim, row: StoreFile, ids: Sequence[int], vectors: Sequence[Sequence[float]]) -> None:
    """The vectors and the postings of a block. Raises LostError."""
    with within(claim.account_id):
        configuration = hold(claim).configuration
        add_vectors(row, ids, vectors)
        lexemes = add_postings(
            account_id=claim.account_id, store_id=row.store_id, passage_ids=ids, configuration=configuration
        )
        claim.rows().update(
            passages_done=F("passages_done") + len(ids),
            lexemes=F("lexemes") + lexemes,
            claims=0,
            tries=0,
            moved_at=timezone.now(),
            claimed_until=timezone.now() + LEASE,
        )


def add_vectors(row: StoreFile, ids: Sequence[int], vectors: Sequence[Sequence[float]]) -> None:
    """Of passages, by the model that the row's store has. Within the account's walls."""
    PassageVector.objects.bulk_create(
        [
            PassageVector(
                passage_id=passage_id,
                account_id=row.account_id,
                store_id=row.store_id,
                model=row.store.embedding_model,
                embedding=vector,
            )
            for passage_id, vector in zip(ids, vectors, strict=True)
        ],
        batch_size=ROWS,
    )


def complete(claim: Claim) -> bool:
    """From now on it is found, and what it replaces is not; False where vectors of a model are missing that the store
    got meanwhile. Raises LostError."""
    with within(claim.account_id):
        row = hold(claim)
        store = VectorStore.objects.select_for_update().get(pk=row.store_id)
        if lacking(row, store.embedding_model).exists():
            return False
        others = PassageVector.objects.filter(account_id=claim.account_id, passage__document_id=row.pk)
        others.exclude(model=store.embedding_model).delete()
        size, dimensions = _size(row)
        now = timezone.now()
        claim.rows().update(
            status=Status.COMPLETED, completed_at=now, claim="", claimed_until=None, waits_for="", usage_bytes=size
        )
        VectorStore.objects.filter(pk=store.pk).update(
            passages=F("passages") + row.passages_total,
            lexemes=F("lexemes") + row.lexemes,
            configurations=sorted({*store.configurations, row.configuration}),
            dimensions=dimensions,
            last_active_at=now,
        )
        follow(row)
        if row.replaces_id:
            StoreFile.objects.filter(pk=row.replaces_id, deleted_at=None).update(deleted_at=now, claim="")
        return True


def lacking(row: StoreFile, model: str) -> QuerySet[Passage]:
    """Its passages that have no vector of this model. Within the account's walls."""
    vectors = PassageVector.objects.filter(passage_id=OuterRef("pk"), model=model)
    mine = Passage.objects.filter(~Exists(vectors), account_id=row.account_id, document_id=row.pk)
    return mine.order_by("position").only(*EMBEDDED_BY)


def request_prefix(claim: Claim, done: int) -> str:
    return f"req_vsf_{claim.document_id}_{done}_"


def hold(claim: Claim) -> StoreFile:
    """In a transaction, to whose end nobody else has it. Raises LostError."""
    row = claim.rows().select_for_update(of=("self",)).first()
    if row is None:
        raise LostError
    return row


def _known_vectors(row: StoreFile, digests: list[bytes]) -> dict[bytes, list[float]]:
    """Of the version that this one replaces, by what was embedded: nobody pays twice for what has not changed."""
    if row.replaces_id is None:
        return {}
    rows = PassageVector.objects.filter(
        account_id=row.account_id,
        model=row.store.embedding_model,
        passage__document_id=row.replaces_id,
        passage__digest__in=digests,
    )
    return {bytes(known): list(vector) for known, vector in rows.values_list("passage__digest", "embedding")}


def _size(row: StoreFile) -> tuple[int, int | None]:
    """Bytes of its text and its vectors, and the vectors' dimensions."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(octet_length(p.text)), 0), coalesce(sum(vector_dims(v.embedding)) * 2, 0),
                 max(vector_dims(v.embedding))
               FROM knowledge_passage p JOIN knowledge_passagevector v ON v.passage_id = p.id
               WHERE p.account_id = %s AND p.document_id = %s""",
            [row.account_id, row.pk],
        )
        text, vectors, dimensions = cursor.fetchone()
    return int(text) + int(vectors), dimensions
