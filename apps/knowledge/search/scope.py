"""Where a search looks: one store of one account, and of its files those that the caller's filters let through."""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from apps.knowledge.models import VectorStore
from apps.knowledge.search.filters import condition_of

FEW = 20_000  # passages: where no more are looked through, each is compared
DOCUMENTS = """
SELECT d.id, d.passages_total FROM knowledge_storefile d
WHERE d.account_id = %(account)s AND d.store_id = %(store)s AND d.status = 'completed' AND d.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`documents`: the files that a filter lets through; None: all of the store's."""

    account_id: int
    store_id: int
    model: str
    dimensions: int | None
    passages: int
    lexemes: int
    configurations: list[str]
    is_indexed: bool
    documents: list[int] | None = None
    within: int = 0
    """Passages that these documents have."""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def is_small(self) -> bool:
        return self.within <= FEW or not self.is_indexed

    def joins(self, passage: str) -> str:
        """SQL that lets through the passages of this scope alone; its values are `values`."""
        chosen = "" if self.documents is None else "AND d.id = ANY(%(documents)s)"
        return f"""
          JOIN knowledge_passage p ON p.id = {passage} AND p.account_id = %(account)s AND p.store_id = %(store)s
          JOIN knowledge_storefile d
            ON d.id = p.document_id AND d.status = 'completed' AND d.deleted_at IS NULL {chosen}"""


def scope_of(store: VectorStore, filters: dict[str, Any] | None) -> Scope:
    """Within the account's walls. Raises Invalid for filters that cannot be."""
    values: dict[str, Any] = {"account": store.account_id, "store": store.pk}
    documents, count = None, store.passages
    if filters:
        condition, given = condition_of(filters, "d.attributes")
        with connection.cursor() as cursor:
            cursor.execute(f"{DOCUMENTS} AND {condition}", {**values, **given})
            rows = cursor.fetchall()
        documents, count = [row[0] for row in rows], sum(row[1] for row in rows)
        values["documents"] = documents
    return Scope(
        account_id=store.account_id,
        store_id=store.pk,
        model=store.embedding_model,
        dimensions=store.dimensions,
        passages=store.passages,
        lexemes=store.lexemes,
        configurations=store.configurations,
        is_indexed=store.is_indexed,
        documents=documents,
        within=count,
        values=values,
    )
