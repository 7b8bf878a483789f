"""Each document of a judged collection is a file and a passage; each question is searched for as a caller's is."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from apps.common.redis import sync_redis
from apps.knowledge.contracts import Hit, StoreFacts, Wanted, Weights
from apps.knowledge.graph.contracts import ToExtract
from apps.knowledge.graph.running import LOCK, run_waiting_graphs
from apps.knowledge.graph.selectors import graph_of_store, has_waiting_graphs
from apps.knowledge.graph.services import build_graph
from apps.knowledge.search.indexing import index_large_stores
from apps.knowledge.services.widening import further_hits, together
from benchmarks.retrieval import shelf
from benchmarks.retrieval.measures import OF_RECALL, ndcg, recall

STORE = "judged"
DEPTH = 50  # the most that a search gives; where it is widened along the graph, as many as recall is reckoned of


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


def build() -> dict[str, Any]:
    """The store's graph, offline."""
    store = shelf.the_store(STORE)
    build_graph(key=shelf.key_of(store), store_id=store.public_id, method="offline")
    began = time.monotonic()
    while has_waiting_graphs():
        sync_redis().delete(LOCK)
        asyncio.run(run_waiting_graphs(_nobody, seconds=shelf.SECONDS))
    facts = graph_of_store(account_id=store.account_id, project_id=store.project_id, store_id=store.public_id)
    return {"seconds": time.monotonic() - began, "passages": facts.progress.passages_done}


def rank(split: str, embedding_weight: float, then: str = "") -> dict[str, Any]:
    """nDCG@10 and recall@20 of a split (`test` or `train`) at that weight of meaning; what is left is the words'.
    `then`: what is done with the passages that were found, "graph" or "rerank"."""
    judged = getattr(shelf.collection(), split)
    store = shelf.the_store(STORE)
    wanted = Wanted(most=DEPTH, weights=Weights(embedding=embedding_weight, text=1 - embedding_weight))
    if then == "graph":
        wanted = replace(wanted, most=OF_RECALL)
    questions = shelf.collection().questions
    shelf.embeddings().of([questions[name] for name in judged])
    rankings, seconds = {}, []
    for name in judged:
        began = time.monotonic()
        hits = shelf.found(store, questions[name], wanted)
        if then:
            hits = THEN[then](store, questions[name], hits, wanted)
        seconds.append(time.monotonic() - began)
        rankings[name] = list(dict.fromkeys(hit.filename.removesuffix(".txt") for hit in hits))
    return {"ndcg": ndcg(rankings, judged), "recall": recall(rankings, judged), "ms": _median(seconds) * 1000}


def _widened(store: StoreFacts, question: str, hits: Sequence[Hit], wanted: Wanted) -> list[Hit]:
    further = further_hits(store=store, queries=[question], hits=hits, wanted=wanted, most=wanted.most)
    return together(hits, further, wanted=wanted)


def _reranked(store: StoreFacts, question: str, hits: Sequence[Hit], wanted: Wanted) -> list[Hit]:
    """By an engine that speaks /v1/rerank, asked straight."""
    body = {"model": os.environ["RERANK_MODEL"], "query": question, "documents": [hit.text for hit in hits]}
    answer = httpx.post(os.environ["RERANK_URL"], json=body, timeout=300).raise_for_status().json()
    scores = {row["index"]: row["relevance_score"] for row in answer["results"]}
    return [hits[place] for place in sorted(range(len(hits)), key=lambda place: -scores[place])]


async def _nobody(wanted: ToExtract) -> str:
    raise AssertionError("a graph that is built offline asks no model")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


THEN = {"graph": _widened, "rerank": _reranked}
