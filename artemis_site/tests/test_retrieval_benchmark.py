"""What `make bench-retrieval` runs, in small: it reads a judged collection, fills stores and ranks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.common.redis import sync_redis
from artemis_site.tests.platform import EMBEDDING_MODEL, RERANK_MODEL
from benchmarks.retrieval import quality, shelf, speed
from benchmarks.retrieval.measures import ndcg, recall
from inference.fake.control import FakeServer

SUBJECTS = (
    "moon",
    "hunt",
    "bow",
    "deer",
    "forest",
    "chariot",
    "temple",
    "oracle",
    "harbour",
    "olive",
    "marble",
    "lamp",
)


@pytest.fixture
def _collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A document for each subject, and a question for each other one."""
    (tmp_path / "qrels").mkdir()
    others = "It was seen by many people in the old days. They wrote of it on tablets of clay. Nobody reads them now."
    rows = [
        {"_id": f"d{at}", "title": f"Of the {name}", "text": f"Here the {name} is told of. {others}"}
        for at, name in enumerate(SUBJECTS)
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": f"q{at}", "text": f"What is told of the {name}?"} for at, name in enumerate(SUBJECTS)]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    for split, first in (("test", 0), ("train", 1)):
        judged = [f"q{at}\td{at}\t1" for at in range(first, len(SUBJECTS), 2)]
        (tmp_path / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    with FakeServer() as fake:
        monkeypatch.setenv("EMBEDDINGS_URL", fake.base_url)
        monkeypatch.setenv("EMBEDDINGS_KEPT", str(tmp_path / "vectors.sqlite"))
        monkeypatch.setenv("EMBEDDING_MODEL", EMBEDDING_MODEL)
        monkeypatch.setenv("COLLECTION", str(tmp_path))
        sync_redis().flushdb()
        yield
        shelf.embeddings().close()
        sync_redis().flushdb()
    for kept in (shelf.collection, shelf.embeddings):
        kept.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_a_collection_is_ranked_and_a_large_store_is_measured(
    _collection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = quality.fill()
    assert (filled["documents"], filled["passages"], filled["failed"]) == (len(SUBJECTS), len(SUBJECTS), 0)
    for split in ("test", "train"):
        by_words = quality.rank(split, 0.0)
        assert by_words["ndcg"] == by_words["recall"] == 1.0, "each subject is in one document alone"
        by_meaning = quality.rank(split, 1.0)
        assert 0 < by_meaning["ndcg"] < 1, "the fake engine's vectors mean nothing"

    assert quality.build()["passages"] == len(SUBJECTS)
    assert quality.rank("test", 0.0, "graph")["ndcg"] == 1.0, "what lies further on stands behind"
    monkeypatch.setenv("RERANK_URL", f"{os.environ['EMBEDDINGS_URL']}/v1/rerank")
    monkeypatch.setenv("RERANK_MODEL", RERANK_MODEL)
    assert quality.rank("test", 0.0, "rerank")["recall"] == 1.0, "each question has one candidate alone"

    made = speed.fill(200)
    assert made["passages"] == 200
    asked = speed.ask("50 %", 0.5)
    assert asked["least"] == 10 and asked["p95"] >= asked["p50"] > 0
    compared = speed.compare("50 %", 10)
    assert compared == {"recall": 1.0, "is_compared": True, "passages": 100}


def test_measures_are_those_of_trec_eval() -> None:
    judged = {"a": {"1": 1, "2": 1}, "b": {"3": 1}}
    found = {"a": ["1", "9", "2"], "b": ["8", "7"]}
    assert ndcg(found, judged) == pytest.approx((1 + 1 / 2) / (1 + 1 / 1.584962500721156) / 2)
    assert recall(found, judged, at=2) == pytest.approx(0.25)
