"""Documents are read, embedded once, found, replaced and removed."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound, Unavailable
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors, services
from apps.knowledge.contracts import DocumentFacts, StoreFacts, ToAttach, ToEmbed
from apps.knowledge.ingestion import claims
from apps.knowledge.models import Passage, PassageVector, Posting, StoreFile, Term, VectorStore
from apps.knowledge.tests.world import Model, a_file, a_store, found, make_key, put, read_all
from apps.knowledge.walls import within
from apps.usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)
PARTS = [
    f"Chapter {n} tells of the {name} and of nothing else but {name}s."
    for n, name in enumerate(("owl", "fox", "stag", "hare", "lynx", "otter", "heron", "adder"))
]
BOOK = "\n\n".join(f"{part} " + f"Words about it number {n}. " * 12 for n, part in enumerate(PARTS))


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


def document(key: KeyFacts, store: StoreFacts, file_id: str) -> DocumentFacts:
    return selectors.document_of_store(
        account_id=key.account_id, project_id=key.project_id, store_id=store.public_id, file_id=file_id
    )


def seen(key: KeyFacts, store: StoreFacts) -> StoreFacts:
    return selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)


def rows(key: KeyFacts) -> Counter[str]:
    with within(key.account_id):
        return Counter(
            passages=Passage.objects.count(),
            vectors=PassageVector.objects.count(),
            postings=Posting.objects.count(),
            terms=Term.objects.filter(passages__gt=0).count(),
        )


def test_a_document_is_read_and_found(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    assert seen(key, store).status == "in_progress"
    model = read_all()
    read = document(key, store, file_id)
    assert (read.status, read.error_message, read.language) == ("completed", "", "en")
    assert read.passages_total == read.passages_done == sum(model.texts.values()) > 4
    assert read.usage_bytes > len(BOOK) / 2
    hit = found(key, store, "the otter")[0]
    assert "otter" in hit.text and hit.file_id == file_id and hit.bm25 and hit.cosine and 0 < hit.score <= 1
    now = seen(key, store)
    assert (now.status, now.counts.completed, now.passages) == ("completed", 1, read.passages_total)


def test_a_replaced_document_pays_for_what_changed_alone(key: KeyFacts) -> None:
    store = a_store(key)
    book = "\n\n".join(f"# Chapter {n}\n\n{part}" for n, part in enumerate(BOOK.split("\n\n")))
    old = put(key, store, book, "book.md")
    before = read_all()
    new = put(key, store, book.replace("of the otter", "of the badger"), "book.md", replaces=old)
    during = found(key, store, "otter")
    assert during and during[0].file_id == old, "the old one answers until the new one can"
    after = read_all()
    assert 0 < sum(after.texts.values()) < sum(before.texts.values()) / 2
    assert all("badger" in text or "otter" in text for text in after.texts)
    assert found(key, store, "badger")[0].file_id == new
    assert {hit.file_id for hit in found(key, store, "fox", most=50)} == {new}
    services.empty_deleted()
    assert rows(key)["passages"] == seen(key, store).passages == document(key, store, new).passages_total
    with pytest.raises(NotFound):
        document(key, store, old)


def test_a_removed_document_is_gone_at_once_and_leaves_nothing(key: KeyFacts) -> None:
    store = a_store(key)
    keep = put(key, store, "The moon has no owl.")
    read_all()
    before = rows(key)
    gone = put(key, store, BOOK)
    read_all()
    assert rows(key)["passages"] > before["passages"]
    services.remove(account_id=key.account_id, project_id=key.project_id, store_id=store.public_id, file_id=gone)
    assert {hit.file_id for hit in found(key, store, "owl fox otter", most=50)} == {keep}
    services.empty_deleted()
    assert rows(key) == before
    assert seen(key, store).passages == before["passages"]


def test_a_deleted_store_leaves_nothing(key: KeyFacts) -> None:
    store = a_store(key)
    put(key, store, BOOK)
    read_all()
    services.delete_store(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)
    with pytest.raises(NotFound):
        seen(key, store)
    services.empty_deleted()
    assert not +rows(key)
    with within(key.account_id):
        assert not Term.objects.exists()
    assert VectorStore.objects.get(pk=store.id).emptied_at


def test_a_poisoned_document_fails_alone(key: KeyFacts) -> None:
    store = a_store(key)
    good, bad = put(key, store, BOOK), put(key, store, b"\x00\x01\x02\xff" * 500, "holiday.bin")
    empty = put(key, store, " \n\n ", "empty.txt")
    read_all()
    assert document(key, store, good).status == "completed"
    assert document(key, store, bad).error_code == "unsupported_file"
    assert document(key, store, empty).error_code == "invalid_file"
    assert all(document(key, store, one).error_message.endswith(".") for one in (bad, empty))
    counts = seen(key, store).counts
    assert (counts.completed, counts.failed, counts.total) == (1, 2, 3)


def test_what_failed_can_be_attached_again(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    StoreFile.objects.update(status="failed", error_code="server_error", error_message="Once upon a time.")
    again = services.attach(
        key=key, address="", store_id=store.public_id, file=ToAttach(file_id=file_id, attributes={"year": 1999})
    )
    assert again.status == "in_progress"
    read_all()
    assert document(key, store, file_id).status == "completed"
    assert seen(key, store).counts.total == 1


class Refusing(Model):
    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.left = error, times

    async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
        if self.left:
            self.left -= 1
            raise self.error
        return await super().__call__(wanted)


def due() -> None:
    StoreFile.objects.update(next_try_at=None)


def test_engines_that_are_away_are_waited_for(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    model = Refusing(Unavailable("No engine answers.", retry_after=3), times=1)
    read_all(model)
    waits = document(key, store, file_id)
    assert (waits.status, waits.waits_for) == ("in_progress", "No engine answers.")
    assert StoreFile.objects.get().next_try_at > timezone.now()
    due()
    read_all(model)
    assert document(key, store, file_id).status == "completed"


def test_nothing_waits_for_ever(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    for _ in range(claims.MOST_TRIES):
        due()
        read_all(Refusing(Unavailable("No engine answers."), times=99))
    assert document(key, store, file_id).status == "failed"
    assert "No engine answers." in document(key, store, file_id).error_message
    late = put(key, store, "Slow.")
    StoreFile.objects.filter(file__public_id=late).update(created_at=timezone.now() - timedelta(hours=25))
    read_all(Refusing(Unavailable("Too many.", retry_after=1, status=429), times=99))
    assert document(key, store, late).status == "failed"


def test_a_refusal_that_stays_is_told(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    read_all(Refusing(Invalid("model", "This key may not call luna.", code="model_not_found"), times=99))
    read = document(key, store, file_id)
    assert (read.status, read.error_code) == ("failed", "server_error")
    assert "This key may not call luna." in read.error_message


def test_a_document_that_ends_its_workers_is_given_up(key: KeyFacts) -> None:
    store = a_store(key)
    file_id = put(key, store, BOOK)
    StoreFile.objects.update(claims=claims.MOST_CLAIMS)
    read_all()
    assert document(key, store, file_id).error_message == claims.ENDED_WORKERS


def test_a_text_too_long_for_the_model_is_embedded_by_what_fits(key: KeyFacts) -> None:
    class Short(Model):
        async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
            if any(len(text) > 250 for text in wanted.texts):
                raise Invalid("input", "Too long.", code="context_length_exceeded")
            return await super().__call__(wanted)

    store = a_store(key)
    file_id = put(key, store, BOOK)
    model = read_all(Short())
    assert document(key, store, file_id).status == "completed"
    assert len({request.request_id for request in model.requests}) == len(model.requests)
    assert found(key, store, "adder")[0].text.count("adder") > 0


def test_a_cancelled_batch_keeps_what_is_read(key: KeyFacts) -> None:
    store = a_store(key)
    first = a_file(key, BOOK)
    files = [ToAttach(file_id=first), *(ToAttach(file_id=a_file(key, f"Note {n}.")) for n in range(3))]
    batch = services.attach_batch(key=key, address="", store_id=store.public_id, files=files[:1])
    read_all()
    more = services.attach_batch(key=key, address="", store_id=store.public_id, files=files)
    names = {"account_id": key.account_id, "project_id": key.project_id, "store_id": store.public_id}
    cancelled = services.cancel_batch(**names, batch_id=more.public_id)
    assert (cancelled.status, cancelled.counts.cancelled, cancelled.counts.completed) == ("cancelled", 3, 1)
    read_all()
    assert seen(key, store).counts.completed == 1
    assert services.cancel_batch(**names, batch_id=more.public_id).status == "cancelled"
    assert selectors.batch_of_store(**names, batch_id=batch.public_id).counts.total == 0, "it went with the other batch"


def test_an_expired_store_answers_no_more(key: KeyFacts) -> None:
    store = services.create_store(key=key, address="", embedding_model="luna", expires_days=1)
    put(key, store, BOOK)
    read_all()
    VectorStore.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert seen(key, store).status == "expired"
    with pytest.raises(Invalid):
        found(key, store, "owl")
    VectorStore.objects.update(expires_at=timezone.now() - timedelta(days=30))
    assert services.delete_expired_stores() == 1


def test_what_a_dead_worker_paid_for_is_not_paid_again(key: KeyFacts) -> None:
    store = a_store(key)
    put(key, store, BOOK)
    row = StoreFile.objects.get()
    UsageEvent.objects.create(
        request_id=f"req_vsf_{row.pk}_0_0",
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        model="luna",
        endpoint="embeddings",
        outcome="completed",
        started_at=timezone.now(),
    )
    model = read_all()
    assert [request.prepaid for request in model.requests] == [True]
    assert model.requests[0].request_id == f"req_vsf_{row.pk}_0_1"
