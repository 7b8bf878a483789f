"""A store gets another embedding model while the old one answers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.common.database import in_thread
from apps.common.errors import ArtemisError, Forbidden, NotFound, Unavailable
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors, services
from apps.knowledge.contracts import ReembeddingFacts, StoreFacts, ToEmbed, Wanted
from apps.knowledge.models import PassageVector, Reembedding, StoreFile, VectorStore
from apps.knowledge.search import ModelChangedError
from apps.knowledge.search.indexing import index_large_stores
from apps.knowledge.tests.world import MODEL, Model, a_store, found, make_key, put, read_all, reembed_all, vector_of
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)
NEW, NEWER = "luna-2", "luna-3"
QUERY = "the fox of the seventh den"


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key)
    for number in range(3):
        text = "\n\n".join(
            f"Den {number} {n}: the fox number {n} sleeps. " + f"It dreams of {n}. " * 20 for n in range(40)
        )
        put(key, store, text, f"{number}.txt")
    read_all()
    return seen(key, store)


def seen(key: KeyFacts, store: StoreFacts) -> StoreFacts:
    return selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)


def change(key: KeyFacts, store: StoreFacts, model: str) -> ReembeddingFacts | None:
    return services.change_store(
        account_id=key.account_id,
        project_id=key.project_id,
        public_id=store.public_id,
        changes={},
        model=model,
        key=key,
        address="127.0.0.1",
    ).reembedding


def vectors(key: KeyFacts) -> dict[str, int]:
    with within(key.account_id):
        names = list(PassageVector.objects.values_list("model", flat=True))
    return {name: names.count(name) for name in set(names)}


def remove_leftovers() -> int:
    Reembedding.objects.exclude(leftover="").update(leftover_from=timezone.now())
    return services.remove_leftovers()


class Interrupting(Model):
    """Does something before it answers for the nth time."""

    def __init__(self, at: int, does: Callable[[], Any]) -> None:
        super().__init__()
        self._at, self._does = at, does

    async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
        if len(self.requests) + 1 == self._at:
            await in_thread(self._does, seconds=None)
        return await super().__call__(wanted)


def test_searches_change_over_at_once(key: KeyFacts, store: StoreFacts) -> None:
    before = found(key, store, QUERY)
    told = change(key, store, NEW)
    assert told and (told.model, told.status, told.passages_done) == (NEW, "in_progress", 0)
    during: list[Any] = []

    def look() -> None:
        during.extend([found(key, store, QUERY), seen(key, store)])

    model = reembed_all(Interrupting(2, look))
    assert during[0] == before and during[1].embedding_model == MODEL
    assert 0 < during[1].reembedding.passages_done < store.passages
    after = seen(key, store)
    assert (after.embedding_model, after.reembedding, after.passages) == (NEW, None, store.passages)
    assert sum(model.texts.values()) == store.passages and {request.model for request in model.requests} == {NEW}
    assert {(request.key_id, request.address) for request in model.requests} == {(key.key_id, "127.0.0.1")}
    assert VectorStore.objects.get().dimensions == 128
    hits = found(key, store, QUERY)
    assert hits and {hit.passage_id for hit in hits} & {hit.passage_id for hit in before}
    with pytest.raises(ModelChangedError):
        services.search(store=store, queries=[QUERY], vectors=[vector_of(QUERY)], wanted=Wanted())

    assert services.remove_leftovers() == 0, "searches that had begun may need the old ones still"
    assert vectors(key) == {MODEL: store.passages, NEW: store.passages}
    assert remove_leftovers() == 1 and vectors(key) == {NEW: store.passages}
    assert seen(key, store).usage_bytes == store.usage_bytes + store.passages * 2 * 64
    assert remove_leftovers() == 0 and not selectors.has_waiting_reembeddings()


def test_documents_that_come_and_go_meanwhile(key: KeyFacts, store: StoreFacts) -> None:
    change(key, store, NEW)
    gone = StoreFile.objects.order_by("pk").first()
    assert gone

    def meanwhile() -> None:
        services.remove(
            account_id=key.account_id, project_id=key.project_id, store_id=store.public_id, file_id=gone.file.public_id
        )
        services.empty_deleted()
        put(key, store, "The heron came later, while the others were embedded.", "late.txt")

    reembed_all(Interrupting(1, meanwhile))
    assert seen(key, store).embedding_model == NEW
    read_all()  # what was attached before the change, and read after it, has the new model's vectors alone
    remove_leftovers()
    now = seen(key, store)
    assert now.counts.completed == 3 and vectors(key) == {NEW: now.passages}
    assert "heron" in found(key, store, "heron")[0].text


def test_a_document_that_was_completed_before_the_change_has_both(key: KeyFacts, store: StoreFacts) -> None:
    change(key, store, NEW)

    def meanwhile() -> None:
        put(key, store, "The heron came later, while the others were embedded.", "late.txt")
        read_all()

    model = reembed_all(Interrupting(2, meanwhile))
    assert any("heron" in text for text in model.texts)
    assert seen(key, store).embedding_model == NEW and vectors(key)[NEW] == store.passages + 1


def test_a_document_that_is_half_read_catches_up(key: KeyFacts, store: StoreFacts) -> None:
    text = "\n\n".join(f"Heron {n} stands in the river. " + f"It waits for {n}. " * 20 for n in range(70))
    put(key, store, text, "late.txt")

    def meanwhile() -> None:
        change(key, store, NEW)
        reembed_all()
        assert seen(key, store).embedding_model == NEW

    model = read_all(Interrupting(2, meanwhile))
    assert [request.model for request in model.requests] == [MODEL, MODEL, NEW, NEW]
    assert len({request.request_id for request in model.requests}) == 4
    remove_leftovers()
    now = seen(key, store)
    assert now.status == "completed" and vectors(key) == {NEW: now.passages}
    assert "Heron" in found(key, store, "heron river")[0].text
    assert now.usage_bytes == sum(StoreFile.objects.values_list("usage_bytes", flat=True))


@pytest.mark.parametrize("error", [Forbidden("This API key may not use the model."), NotFound("There is none.")])
def test_a_model_that_refuses_leaves_the_old_one(key: KeyFacts, store: StoreFacts, error: ArtemisError) -> None:
    before = found(key, store, QUERY)
    change(key, store, NEW)

    class Refusing(Model):
        async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
            if self.requests:
                raise error
            return await super().__call__(wanted)

    reembed_all(Refusing())
    told = seen(key, store).reembedding
    assert told and told.status == "failed" and error.message in told.error_message and told.passages_done == 64
    assert seen(key, store).embedding_model == MODEL and found(key, store, QUERY) == before
    assert not selectors.has_waiting_reembeddings()

    change(key, store, NEW)  # tried again: what is embedded stays
    again = reembed_all()
    assert sum(again.texts.values()) == store.passages - 64 and seen(key, store).embedding_model == NEW


def test_what_passes_is_waited_for_and_given_up_in_the_end(key: KeyFacts, store: StoreFacts) -> None:
    class Away(Model):
        async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
            raise Unavailable("No engine can answer.", retry_after=1)

    change(key, store, NEW)
    reembed_all(Away())
    told = seen(key, store).reembedding
    assert told and (told.status, told.waits_for) == ("in_progress", "No engine can answer.")
    for _ in range(5):
        Reembedding.objects.update(next_try_at=None)
        reembed_all(Away())
    told = seen(key, store).reembedding
    assert told and told.status == "failed" and "No engine can answer." in told.error_message


def test_vectors_of_two_sizes_are_refused(key: KeyFacts, store: StoreFacts) -> None:
    class Wavering(Model):
        async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
            return [vector[: 128 - len(self.requests)] for vector in await super().__call__(wanted)]

    change(key, store, NEW)
    reembed_all(Wavering())
    told = seen(key, store).reembedding
    assert told and told.status == "failed" and "another size" in told.error_message


def test_it_is_cancelled_by_the_models_that_it_has(key: KeyFacts, store: StoreFacts) -> None:
    change(key, store, NEW)
    model = reembed_all(Interrupting(2, lambda: change(key, store, MODEL)))
    assert len(model.requests) == 2
    now = seen(key, store)
    assert (now.embedding_model, now.reembedding) == (MODEL, None)
    assert remove_leftovers() == 1 and vectors(key) == {MODEL: store.passages}
    assert change(key, store, MODEL) is None


def test_a_second_change_replaces_the_first(key: KeyFacts, store: StoreFacts) -> None:
    change(key, store, NEW)
    assert change(key, store, NEW) and Reembedding.objects.count() == 1, "the same again changes nothing"
    reembed_all(Interrupting(2, lambda: change(key, store, NEWER)))
    assert seen(key, store).embedding_model == NEWER
    remove_leftovers()
    assert vectors(key) == {NEWER: store.passages}

    change(key, store, NEW)
    reembed_all()
    change(key, store, NEWER)  # back, before the old ones are removed: nothing is paid again
    assert not reembed_all().requests and seen(key, store).embedding_model == NEWER
    assert VectorStore.objects.get().dimensions == 128
    remove_leftovers()
    assert vectors(key) == {NEWER: store.passages} and found(key, store, QUERY)


def test_a_large_store_has_its_index_before_the_change(key: KeyFacts, store: StoreFacts, settings: Settings) -> None:
    settings.KNOWLEDGE_INDEX_FROM = 1
    assert index_large_stores() == 1
    change(key, store, NEW)
    reembed_all()
    assert VectorStore.objects.get().is_indexed and len(indexes(store)) == 2
    remove_leftovers()
    assert len(indexes(store)) == 1
    with within(key.account_id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(model) FROM knowledge_passagevector")
        assert cursor.fetchone() == (store.passages, NEW)
    assert "128" in indexes(store)[0] and found(key, store, QUERY)
    services.delete_store(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)
    services.empty_deleted()
    assert indexes(store) == []


def indexes(store: StoreFacts) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'knowledge_passagevector' AND indexdef LIKE %s",
            [f"%hnsw%store_id = {store.id})%"],
        )
        return [row[0] for row in cursor.fetchall()]


def test_an_empty_store_and_a_deleted_one(key: KeyFacts) -> None:
    empty, deleted = a_store(key, "Empty"), a_store(key, "Deleted")
    change(key, empty, NEW)
    change(key, deleted, NEW)
    services.delete_store(account_id=key.account_id, project_id=key.project_id, public_id=deleted.public_id)
    assert not reembed_all().requests
    assert seen(key, empty).embedding_model == NEW and not selectors.has_waiting_reembeddings()
    put(key, empty, "The first text of it.")
    read_all()
    assert found(key, empty, "first text") and VectorStore.objects.get(deleted_at=None).dimensions == 128


def test_nobody_elses_store(cast: Cast, key: KeyFacts, store: StoreFacts) -> None:
    with pytest.raises(NotFound):
        change(make_key(cast.charlies.id), store, NEW)
    assert not Reembedding.objects.exists()
