"""What callers find in vector stores."""

from collections.abc import Sequence

from apps.common.errors import Invalid
from apps.knowledge.contracts import Hit, StoreFacts, Wanted
from apps.knowledge.search import Distinct, search_store
from apps.knowledge.services.stores import note_use


def search(
    *,
    store: StoreFacts,
    queries: Sequence[str],
    vectors: Sequence[Sequence[float]],
    wanted: Wanted,
    distinct: Distinct | None = None,
) -> list[Hit]:
    """By words and meaning alone; `vectors`: of the queries, by the store's model.

    Raises Invalid for filters, and where the store has expired; ModelChangedError where it has another model now.
    """
    check_searchable(store)
    hits = search_store(
        account_id=store.account_id,
        store_id=store.id,
        queries=queries,
        vectors=vectors,
        wanted=wanted,
        model=store.embedding_model,
        distinct=distinct,
    )
    note_use(store)
    return hits


def check_searchable(store: StoreFacts) -> None:
    """Raises Invalid."""
    if store.status == "expired":
        raise Invalid(None, "This vector store has expired; make another one.", code="vector_store_expired")
