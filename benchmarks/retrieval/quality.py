"""Each document of a judged collection is a file and a passage; each question is searched for as a caller's is."""

import time
from typing import Any

from apps.knowledge.contracts import Wanted, Weights
from apps.knowledge.search.indexing import index_large_stores
from benchmarks.retrieval import shelf
from benchmarks.retrieval.measures import ndcg, recall

STORE = "judged"
DEPTH = 50  # the most that a search gives


def fill() -> dict[str, Any]:
    began = time.monotonic()
    key, store = shelf.make_store(STORE)
    shelf.put(key, store, {f"{name}.txt": text.encode() for name, text in shelf.collection().documents.items()})
    uploaded = time.monotonic()
    shelf.read_all(shelf.embed)
    index_large_stores()
    now = shelf.the_store(STORE)
    return {
        "documents": now.counts.completed,
        "failed": now.counts.failed,
        "passages": now.passages,
        "upload_seconds": uploaded - began,
        "seconds": time.monotonic() - uploaded,
    }


def rank(split: str, embedding_weight: float) -> dict[str, Any]:
    """nDCG@10 and recall@20 of a split (`test` or `train`) at that weight of meaning; what is left is the words'."""
    judged = getattr(shelf.collection(), split)
    store = shelf.the_store(STORE)
    wanted = Wanted(most=DEPTH, weights=Weights(embedding=embedding_weight, text=1 - embedding_weight))
    questions = shelf.collection().questions
    shelf.embeddings().of([questions[name] for name in judged])
    rankings, seconds = {}, []
    for name in judged:
        began = time.monotonic()
        hits = shelf.found(store, questions[name], wanted)
        seconds.append(time.monotonic() - began)
        rankings[name] = list(dict.fromkeys(hit.filename.removesuffix(".txt") for hit in hits))
    return {"ndcg": ndcg(rankings, judged), "recall": recall(rankings, judged), "ms": _median(seconds) * 1000}


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
