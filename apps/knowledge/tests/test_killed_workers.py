"""A worker is killed in each step of a reading, twice; the next one makes the same passages as if nobody had died."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.models import Passage, PassageVector, StoreFile, Term, VectorStore
from apps.knowledge.services import empty_deleted
from apps.knowledge.tests.killing import free, killed
from apps.knowledge.tests.world import a_store, make_key, put, read_all
from apps.knowledge.walls import within

__all__ = ["killed"]
pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "\n\n".join(f"Paragraph {n} is about number {n * n} and its friends. " + "It goes on. " * 25 for n in range(150))
STEPS = [
    ("the claim", 'SET "claim"', 1, "after"),
    ("the reading, before it is kept", 'INSERT INTO "knowledge_passage"', 1, "before"),
    ("the keeping of passages", 'INSERT INTO "knowledge_passage"', 1, "after"),
    ("the beginning of the vectors", 'SET "stage"', 1, "after"),
    ("a block, before its vectors", 'INSERT INTO "knowledge_passagevector"', 1, "before"),
    ("a block, between vectors and postings", 'INSERT INTO "knowledge_passagevector"', 2, "after"),
    ("a block, after its postings", "INSERT INTO knowledge_term", 2, "after"),
    ("the end, before it is said", 'SET "status"', 1, "before"),
    ("the end, within its transaction", 'SET "status"', 1, "after"),
    ("the store's sums", 'SET "passages"', 1, "after"),
]


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


def state(key: KeyFacts) -> dict[str, object]:
    """All that there is of the one store, without the numbers of its rows."""
    with within(key.account_id):
        passages = list(
            Passage.objects.order_by("position").values_list("position", "text", "headings", "page", "lexemes")
        )
        vectors = [
            list(vector)
            for vector in PassageVector.objects.order_by("passage__position").values_list("embedding", flat=True)
        ]
        terms = sorted(Term.objects.filter(passages__gt=0).values_list("lexeme", "passages"))
        with connection.cursor() as cursor:
            cursor.execute("""
                SELECT p.position, t.lexeme, o.frequency, o.length FROM knowledge_posting o
                JOIN knowledge_passage p ON p.id = o.passage_id JOIN knowledge_term t ON t.id = o.term_id
                ORDER BY 1, 2""")
            postings = cursor.fetchall()
    store = VectorStore.objects.filter(deleted_at=None).values_list("passages", "lexemes", "dimensions").get()
    files = list(StoreFile.objects.filter(deleted_at=None).values_list("status", "passages_done", "usage_bytes"))
    return {
        "passages": passages,
        "vectors": vectors,
        "terms": terms,
        "postings": postings,
        "store": store,
        "files": files,
    }


def test_a_killed_worker_leaves_no_trace(key: KeyFacts, killed: Callable[[str, int, str], bool]) -> None:
    put(key, a_store(key), TEXT)
    read_all()
    undisturbed = state(key)
    assert len(undisturbed["passages"]) > 130  # type: ignore[arg-type]
    for step, pattern, number, when in STEPS:
        store = VectorStore.objects.get(deleted_at=None)
        StoreFile.objects.update(deleted_at=timezone.now())
        VectorStore.objects.filter(pk=store.pk).update(deleted_at=timezone.now())
        empty_deleted()
        put(key, a_store(key), TEXT)
        for life in (1, 2):
            assert killed(pattern, number, when), f"worker {life} never came to {step}"
        free()
        read_all()
        assert state(key) == undisturbed, step
