"""A worker is killed in each step of a re-embedding, twice; the next one leaves the same as if nobody had died."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts, ToEmbed
from apps.knowledge.models import PassageVector, Reembedding, VectorStore
from apps.knowledge.search.indexing import drop_index
from apps.knowledge.selectors import own_store
from apps.knowledge.services import change_store, remove_leftovers
from apps.knowledge.tests.killing import free, killed
from apps.knowledge.tests.world import MODEL, Model, a_store, make_key, put, read_all, reembed_all
from apps.knowledge.walls import within
from apps.usage.models import UsageEvent

__all__ = ["killed"]
pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "\n\n".join(f"Paragraph {n} is about number {n * n} and its friends. " + "It goes on. " * 25 for n in range(150))
NEW = "luna-2"
STEPS = [
    ("the claim", 'UPDATE "knowledge_reembedding" SET "claim"', 1, "after"),
    ("the first block, before it is kept", 'INSERT INTO "knowledge_passagevector"', 1, "before"),
    ("the second block, within its transaction", 'INSERT INTO "knowledge_passagevector"', 2, "after"),
    ("the end of a block", '"reached"', 4, "after"),
    ("the index, before it is built", "CREATE INDEX CONCURRENTLY", 1, "before"),
    ("the index, once it is built, and the look at it", "indisvalid", 2, "before"),
    ("the change, before it", 'SET "embedding_model"', 1, "before"),
    ("the change, within its transaction", 'SET "embedding_model"', 1, "after"),
]
REMOVAL = [
    ("the removal, before it", 'DELETE FROM "knowledge_passagevector"', 1, "before"),
    ("the removal of a block", 'DELETE FROM "knowledge_passagevector"', 1, "after"),
    ("the index that nobody needs", "DROP INDEX CONCURRENTLY", 1, "after"),
]


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreFacts]:
    settings.KNOWLEDGE_INDEX_FROM = 100
    monkeypatch.setenv("KNOWLEDGE_INDEX_FROM", "100")
    store = a_store(key)
    put(key, store, TEXT)
    read_all()
    yield store
    drop_index(VectorStore.objects.get())  # emptying its table would leave it there


def change(key: KeyFacts, store: StoreFacts, model: str = NEW) -> None:
    change_store(
        account_id=key.account_id,
        project_id=key.project_id,
        public_id=store.public_id,
        changes={},
        model=model,
        key=key,
        address="",
    )


def let_leftovers_go() -> None:
    Reembedding.objects.exclude(leftover="").update(leftover_from=timezone.now())


def state(key: KeyFacts) -> dict[str, object]:
    with within(key.account_id), connection.cursor() as cursor:
        vectors = PassageVector.objects.order_by("model", "passage__position")
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'knowledge_vectors_of_%'")
        return {
            "vectors": [(model, list(vector)) for model, vector in vectors.values_list("model", "embedding")],
            "indexes": len(cursor.fetchall()),
            "store": VectorStore.objects.values_list("embedding_model", "dimensions", "is_indexed", "passages").get(),
            "last": Reembedding.objects.values_list("status", "leftover", "passages_done").first(),
        }


def test_a_killed_worker_leaves_no_trace(
    key: KeyFacts, store: StoreFacts, killed: Callable[[str, int, str], bool]
) -> None:
    def back() -> None:
        """As it was before, all but its rows of changes."""
        change(key, store, MODEL)
        reembed_all()
        let_leftovers_go()
        remove_leftovers()

    change(key, store)
    reembed_all()
    let_leftovers_go()
    remove_leftovers()
    undisturbed = state(key)
    assert undisturbed["indexes"] == 1 and len(undisturbed["vectors"]) > 130  # type: ignore[arg-type]
    for step, pattern, number, when in STEPS:
        back()
        change(key, store)
        for life in (1, 2):
            assert killed(pattern, number, when), f"worker {life} never came to {step}"
        free()
        reembed_all()
        let_leftovers_go()
        remove_leftovers()
        assert state(key) == undisturbed, step
    for step, pattern, number, when in REMOVAL:
        back()
        change(key, store)
        reembed_all()
        let_leftovers_go()
        for life in (1, 2):
            assert killed(pattern, number, when), f"worker {life} never came to {step}"
        remove_leftovers()
        assert state(key) == undisturbed, step


def test_what_a_dead_worker_paid_for_is_not_paid_again(key: KeyFacts, store: StoreFacts) -> None:
    class Dying(Model):
        """Answers, and its worker dies with the answer."""

        async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
            await super().__call__(wanted)
            raise SystemError("dead")

    change(key, store)
    (paid,) = reembed_all(Dying()).requests
    UsageEvent.objects.create(
        request_id=paid.request_id,
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        model=NEW,
        endpoint="embeddings",
        outcome="completed",
        started_at=timezone.now(),
    )
    Reembedding.objects.update(next_try_at=None)
    model = reembed_all()
    assert [request.prepaid for request in model.requests] == [True, False, False, False]
    first = model.requests[0]
    assert first.texts == paid.texts and first.request_id == paid.request_id[:-1] + "1"
    assert own_store(key.account_id, key.project_id, store.public_id).embedding_model == NEW

    change(key, store, MODEL)
    reembed_all()
    let_leftovers_go()
    remove_leftovers()
    change(key, store)
    assert not any(request.prepaid for request in reembed_all().requests), "another change is paid for itself"
