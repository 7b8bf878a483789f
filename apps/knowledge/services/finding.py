"""A question to vector stores, from its words to the passages: rewritten, embedded, searched for, without what says the
same twice, widened along the graph, reranked."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from apps.common.database import in_thread
from apps.common.errors import Unavailable
from apps.knowledge.contracts import Hit, Question, Results, StoreFacts, Wanted
from apps.knowledge.search import Distinct, ModelChangedError
from apps.knowledge.selectors import store_of_project
from apps.knowledge.services.embedding import vectors_of
from apps.knowledge.services.reranking import MOST_RERANKED, ranker_of, reranked
from apps.knowledge.services.rewriting import rewritten
from apps.knowledge.services.searching import check_searchable, search
from apps.knowledge.services.widening import further_hits, together

MOST_TRIES = 3


async def find(question: Question) -> Results:
    """Raises ArtemisError; but not where queries cannot be rewritten, or passages reranked: that is told."""
    wanted, queries = question.wanted, list(question.queries)
    for store in question.stores:
        check_searchable(store)
    ranker = await ranker_of(wanted.ranker, key=question.key, address=question.address)
    stores = [store for store in question.stores if store.passages]
    if not stores:
        return Results(queries=queries, hits=[])
    if wanted.rewrites:
        queries = await rewritten(question)
    looked_for = replace(wanted, most=max(MOST_RERANKED, wanted.most), score_threshold=0.0) if ranker else wanted
    hits, duplicates = await _Search(question, queries, looked_for).through(stores)
    if wanted.widens and hits:
        hits = await _wider(stores, queries, hits, looked_for)
    failure = ""
    if ranker and hits:
        hits, failure = await reranked(hits, model=ranker, question=question, queries=queries)
    return Results(
        queries=queries,
        hits=[hit for hit in hits if hit.score >= wanted.score_threshold][: wanted.most],
        ranker=ranker.public_name if ranker and not failure else "",
        ranker_failure=failure,
        duplicates=duplicates,
    )


async def _wider(
    stores: Sequence[StoreFacts], queries: Sequence[str], hits: Sequence[Hit], wanted: Wanted
) -> list[Hit]:
    further = list[Hit]()
    for store in stores:
        further += await in_thread(
            partial(further_hits, store=store, queries=queries, hits=hits, wanted=wanted, most=wanted.most)
        )
    return together(hits, further, wanted=wanted)


class _Search:
    def __init__(self, question: Question, queries: Sequence[str], wanted: Wanted) -> None:
        self._question = question
        self._queries = queries
        self._wanted = wanted
        self._vectors: dict[str, list[list[float]]] = {}

    async def through(self, stores: Sequence[StoreFacts]) -> tuple[list[Hit], int]:
        """The best of all stores, and how many were dropped for better ones that say the same."""
        hits, dropped = list[Hit](), 0
        for store in stores:
            distinct = Distinct()
            hits += await self._in(store, distinct)
            dropped += distinct.dropped
        if len(stores) > 1:
            distinct = Distinct()
            hits.sort(key=lambda hit: -hit.score)
            hits = [hit for hit in hits if not self._wanted.is_distinct or distinct.admits(hit)]
            dropped += distinct.dropped
        return hits[: self._wanted.most], dropped

    async def _in(self, store: StoreFacts, distinct: Distinct) -> list[Hit]:
        for _ in range(MOST_TRIES):
            try:
                return await in_thread(
                    partial(
                        search,
                        store=store,
                        queries=self._queries,
                        vectors=await self._embedded(store.embedding_model),
                        wanted=self._wanted,
                        distinct=distinct if self._wanted.is_distinct else None,
                    )
                )
            except ModelChangedError:  # between the question's embedding and the search
                store = await in_thread(partial(_now, store))
        raise Unavailable("The vector store's embedding model keeps changing; try again.", retry_after=1)

    async def _embedded(self, model: str) -> list[list[float]]:
        """By each model once."""
        if model not in self._vectors:
            asked = self._question
            self._vectors[model] = await vectors_of(
                self._queries,
                model=model,
                key=asked.key,
                address=asked.address,
                request_id=f"{asked.request_id}_{len(self._vectors)}" if self._vectors else asked.request_id,
                counted=asked.counted,
            )
        return self._vectors[model]


def _now(store: StoreFacts) -> StoreFacts:
    return store_of_project(account_id=store.account_id, project_id=store.project_id, public_id=store.public_id)
