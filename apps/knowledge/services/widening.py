"""Goes on from what was found, along the graph of a store: to passages that state what the question's entities have to
do with others."""

from collections.abc import Sequence
from dataclasses import replace

from apps.knowledge.contracts import Hit, StoreFacts, Wanted
from apps.knowledge.graph.selectors import has_graph
from apps.knowledge.graph.widening import widened
from apps.knowledge.models import VectorStore
from apps.knowledge.search import Distinct, hits_of, scope_of
from apps.knowledge.walls import within

MOST_TOKENS = 4_000  # of all further passages
SHARE = 4  # of the places of a search that nothing reranks, a quarter is for them, at most


def further_hits(
    *, store: StoreFacts, queries: Sequence[str], hits: Sequence[Hit], wanted: Wanted, most: int
) -> list[Hit]:
    """At most so many, each of which says why it is there. None where the store has no graph. Raises Invalid."""
    if not has_graph(account_id=store.account_id, store_id=store.id):
        return []
    with within(store.account_id):
        scope = scope_of(VectorStore.objects.get(pk=store.id, account_id=store.account_id), wanted.filters)
        found = widened(
            account_id=store.account_id,
            store_id=store.id,
            question="\n".join(queries),
            passages=[(hit.passage_id, hit.score) for hit in hits],
            most_tokens=MOST_TOKENS,
            most=most,
            documents=scope.documents,
        )
        why = {one.passage_id: one.reason for one in found}
        told = hits_of(scope, list(why), {one.passage_id: (one.score, None, None) for one in found})
        return [replace(hit, because=why[hit.passage_id]) for hit in told]


def together(hits: Sequence[Hit], further: Sequence[Hit], *, wanted: Wanted) -> list[Hit]:
    """The first places are those of what was found; the last quarter at most is given to what lies further on, is good
    enough, and says something new."""
    distinct = Distinct()
    for hit in hits if wanted.is_distinct else ():
        distinct.admits(hit)
    good = (hit for hit in sorted(further, key=lambda hit: -hit.score) if hit.score >= wanted.score_threshold)
    new = [hit for hit in good if not wanted.is_distinct or distinct.admits(hit)]
    best = new[: wanted.most // SHARE]
    return [*hits[: wanted.most - len(best)], *best]
