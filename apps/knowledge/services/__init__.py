"""Makes, changes, fills, searches and empties vector stores. Reading documents stands apart (running.py): what reads
them takes room that a gateway has no use for."""

from apps.knowledge.services.asking import admitted, find_passages, questions_of, with_passages
from apps.knowledge.services.documents import attach, attach_batch, cancel_batch, change_attributes, remove, remove_file
from apps.knowledge.services.embedding import embedded, embedding_model, key_by_id
from apps.knowledge.services.emptying import empty_deleted
from apps.knowledge.services.finding import find
from apps.knowledge.services.quoting import citations, without_numbers
from apps.knowledge.services.reembedding import remove_leftovers
from apps.knowledge.services.searching import search
from apps.knowledge.services.stores import change_store, create_store, delete_expired_stores, delete_store

__all__ = [
    "admitted",
    "attach",
    "attach_batch",
    "cancel_batch",
    "change_attributes",
    "change_store",
    "citations",
    "create_store",
    "delete_expired_stores",
    "delete_store",
    "embedded",
    "embedding_model",
    "empty_deleted",
    "find",
    "find_passages",
    "key_by_id",
    "questions_of",
    "remove",
    "remove_file",
    "remove_leftovers",
    "search",
    "with_passages",
    "without_numbers",
]
