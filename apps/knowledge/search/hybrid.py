"""Both legs of a search, one score, and the passages that have the best."""

from collections.abc import Iterator, Sequence

from apps.knowledge.contracts import Hit, Wanted
from apps.knowledge.models import Passage, VectorStore
from apps.knowledge.search.duplicates import Distinct
from apps.knowledge.search.fusion import fused
from apps.knowledge.search.lexical import best_by_words, bm25, terms_of
from apps.knowledge.search.scope import Scope, scope_of
from apps.knowledge.search.vectors import cosines, nearest
from apps.knowledge.walls import within

CANDIDATES = 100  # of each leg
LEAST_READ, MOST_READ = 20, 400  # passages whose texts are read at once, and in all where many say the same
Scores = tuple[float, float | None, float | None]


class ModelChangedError(Exception):
    """The store has other vectors now than those that the question was embedded for."""


def search_store(
    *,
    account_id: int,
    store_id: int,
    queries: Sequence[str],
    vectors: Sequence[Sequence[float]],
    wanted: Wanted,
    model: str = "",
    distinct: Distinct | None = None,
) -> list[Hit]:
    """The best passages, each by the query that suits it best. `vectors`: of the queries, by `model` where that is
    said. Of passages that are nearly the same, those that `distinct` lets through.

    Raises Invalid, and ModelChangedError.
    """
    with within(account_id):
        store = VectorStore.objects.get(pk=store_id, account_id=account_id)
        if model and model != store.embedding_model:
            raise ModelChangedError
        scope = scope_of(store, wanted.filters)
        found: dict[int, Scores] = {}
        for query, vector in zip(queries, vectors, strict=True):
            for passage, scores in _scores(scope, query, vector, wanted).items():
                if passage not in found or scores[0] > found[passage][0]:
                    found[passage] = scores
        ranked = sorted(found, key=lambda passage: (-found[passage][0], passage))
        chosen = [passage for passage in ranked if found[passage][0] >= wanted.score_threshold]
        hits: list[Hit] = []
        step = max(wanted.most, LEAST_READ)
        for start in range(0, min(len(chosen), MOST_READ), step):
            block = hits_of(scope, chosen[start : start + step], found)
            hits += [hit for hit in block if distinct is None or distinct.admits(hit)]
            if len(hits) >= wanted.most:
                break
        return hits[: wanted.most]


def _scores(scope: Scope, query: str, vector: Sequence[float], wanted: Wanted) -> dict[int, Scores]:
    """Of the candidates of both legs, each scored by both."""
    terms = terms_of(scope, query) if wanted.weights.text else []
    by_words = best_by_words(scope, terms, CANDIDATES)
    near = nearest(scope, vector, CANDIDATES) if wanted.weights.embedding else []
    by_words |= bm25(scope, terms, [passage for passage in near if passage not in by_words])
    by_meaning = cosines(scope, vector, list({*by_words, *near}))
    weighed = fused(by_words, by_meaning if wanted.weights.embedding else {}, wanted.weights)
    return {
        passage: (score, by_words.get(passage), by_meaning.get(passage))
        for passage, score in weighed.items()
        if passage in by_words or passage in by_meaning
    }


def hits_of(scope: Scope, passages: Sequence[int], scores: dict[int, Scores]) -> Iterator[Hit]:
    """Of passages that can be found now, in their order. Within the account's walls."""
    rows = Passage.objects.filter(account_id=scope.account_id, store_id=scope.store_id, pk__in=passages)
    found = {row.pk: row for row in rows.select_related("document__file")}
    for passage in passages:
        row = found.get(passage)
        if row is None or row.document.deleted_at is not None:
            continue
        score, words, meaning = scores[passage]
        yield Hit(
            document_id=row.document_id,
            passage_id=row.pk,
            file_id=row.document.file.public_id,
            filename=row.document.file.name,
            attributes=row.document.attributes,
            position=row.position,
            text=row.text,
            headings=tuple(row.headings),
            page=row.page,
            tokens=row.tokens,
            score=score,
            bm25=words,
            cosine=meaning,
            fused=score,
        )
