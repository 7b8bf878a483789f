"""A worker is killed in each step of a document's way into a graph, twice; the next one makes the same graph as if
nobody had died."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.catalog.models import AIModel
from apps.common.redis import sync_redis
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import services
from apps.knowledge.graph.offline import PROCESS
from apps.knowledge.graph.running import LOCK
from apps.knowledge.models import Entity, Evidence, GraphDocument, Mention, Merge, Relation
from apps.knowledge.services import empty_deleted
from apps.knowledge.tests.graphs import CURIE, build, named, reader, work
from apps.knowledge.tests.killing import mortals
from apps.knowledge.tests.world import a_store, make_key, put, read_all
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "\n\n".join(
    f"Paragraph {n} says that Mara{n} met Odin{n % 7} and Freya{n + 1}. " + "It goes on. " * 25 for n in range(20)
)
STEPS = [
    ("the claim", 'SET "claim"', 1, "after"),
    ("the entities of a block", 'INSERT INTO "knowledge_entity"', 2, "after"),
    ("the mentions", 'INSERT INTO "knowledge_mention"', 1, "before"),
    ("the relations", 'INSERT INTO "knowledge_relation"', 2, "after"),
    ("the evidence", 'INSERT INTO "knowledge_evidence"', 2, "after"),
    ("the end of a block", 'SET "passages_done"', 2, "after"),
    ("what becomes one", "SET embedding", 1, "after"),
    ("the end", 'SET "status"', 1, "after"),
]


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    AIModel.objects.create(public_name="sage")
    return make_key(cast.northwind.id)


@pytest.fixture
def killed() -> Iterator[Callable[[str, int, str], bool]]:
    with mortals("graph", free=free) as live:
        yield live


def free() -> None:
    """As if the dead worker's lock and lease had run out."""
    sync_redis().delete(LOCK)
    GraphDocument.objects.update(claimed_until=timezone.now())


def graph(key: KeyFacts) -> dict[str, object]:
    """All that there is of the one graph, without the numbers of its rows."""
    with within(key.account_id):
        entities = Entity.objects.order_by("key", "type")
        mentions = Mention.objects.order_by("passage__position", "surface", "entity__type")
        evidence = Evidence.objects.order_by("passage__position", "relation__subject__key", "relation__object__key")
        merges = Merge.objects.order_by("kept__key", "gone__key")
        found = {
            "entities": list(entities.values_list("key", "type", "merged_into__key")),
            "embedded": [row.embedding is not None for row in entities],
            "mentions": list(mentions.values_list("passage__position", "surface", "entity__key")),
            "relations": Relation.objects.count(),
            "evidence": list(
                evidence.values_list(
                    "passage__position",
                    "relation__subject__key",
                    "relation__type",
                    "relation__object__key",
                    "confidence",
                )
            ),
            "merges": list(merges.values_list("kept__key", "gone__key", "reason")),
        }
    files = GraphDocument.objects.filter(graph__deleted_at=None)
    return {**found, "files": list(files.values_list("status", "passages_done", "passages_skipped"))}


def processes() -> list[str]:
    """Of those that know language, the ones that were started from here."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if PROCESS.encode() in (folder / "cmdline").read_bytes() and (folder / "cwd").resolve() == Path.cwd():
                found.append(folder.name)
    return found


def anew(key: KeyFacts, store: StoreFacts, method: str) -> None:
    services.delete_graph(**named(key, store))
    empty_deleted()
    build(key, store, method, "sage" if method == "model" else "")


def test_a_killed_worker_leaves_no_trace(key: KeyFacts, killed: Callable[[str, int, str], bool]) -> None:
    store = a_store(key)
    put(key, store, TEXT)
    read_all()
    build(key, store, "model", "sage")
    work(reader)
    undisturbed = graph(key)
    assert len(undisturbed["mentions"]) == 60 and undisturbed["files"][0][0] == "completed"  # type: ignore[arg-type, index]
    for step, pattern, number, when in STEPS:
        anew(key, store, "model")
        for life in (1, 2):
            assert killed(pattern, number, when), f"worker {life} never came to {step}"
        free()
        work(reader)
        assert graph(key) == undisturbed, step


def test_the_process_that_knows_language_ends_with_its_worker(
    key: KeyFacts, killed: Callable[[str, int, str], bool]
) -> None:
    store = a_store(key)
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    undisturbed = graph(key)
    anew(key, store, "offline")
    others = set(processes())  # of another platform on this machine
    assert killed('SET "passages_done"', 1, "after")
    until = time.monotonic() + 20
    while left := set(processes()) - others:
        assert time.monotonic() < until, left
        time.sleep(0.1)
    free()
    work()
    assert graph(key) == undisturbed


def test_one_that_ends_each_worker_is_given_up(key: KeyFacts, killed: Callable[[str, int, str], bool]) -> None:
    store = a_store(key)
    put(key, store, CURIE)
    read_all()
    build(key, store, "model", "sage")
    for _ in range(4):
        assert killed('SET "claim"', 1, "after")
    free()
    work(reader)
    row = GraphDocument.objects.get()
    assert row.status == "failed" and "has ended the worker" in row.error_message
