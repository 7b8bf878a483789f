"""Reads vector stores and their files. What is owned is asked for by account and project."""

from apps.knowledge.selectors.documents import (
    batch_facts,
    batch_of_store,
    document_facts,
    document_of_store,
    documents,
    documents_of_store,
    has_waiting_documents,
    ingestion,
    own_batch,
    own_document,
)
from apps.knowledge.selectors.passages import (
    passages_of_document,
    text_of_document,
)
from apps.knowledge.selectors.reembeddings import (
    has_waiting_reembeddings,
)
from apps.knowledge.selectors.stores import (
    own_store,
    store_facts,
    store_of_account,
    store_of_project,
    stores_by_name,
    stores_of_account,
    stores_of_project,
)

__all__ = [
    "batch_facts",
    "batch_of_store",
    "document_facts",
    "document_of_store",
    "documents",
    "documents_of_store",
    "has_waiting_documents",
    "has_waiting_reembeddings",
    "ingestion",
    "own_batch",
    "own_document",
    "own_store",
    "passages_of_document",
    "store_facts",
    "store_of_account",
    "store_of_project",
    "stores_by_name",
    "stores_of_account",
    "stores_of_project",
    "text_of_document",
]
