"""Vector stores and what is in them."""

from apps.knowledge.models.passages import Passage, PassageVector, Posting, Term
from apps.knowledge.models.reembedding import Reembedding
from apps.knowledge.models.stores import FileBatch, Stage, Status, StoreFile, VectorStore

__all__ = [
    "FileBatch",
    "Passage",
    "PassageVector",
    "Posting",
    "Reembedding",
    "Stage",
    "Status",
    "StoreFile",
    "Term",
    "VectorStore",
]
