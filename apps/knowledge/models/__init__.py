"""Vector stores and what is in them."""

from apps.knowledge.models.claimed import Claimable, Status
from apps.knowledge.models.graph import (
    Entity,
    EntityType,
    Evidence,
    Graph,
    GraphDocument,
    Mention,
    Merge,
    MergeReason,
    Method,
    Relation,
)
from apps.knowledge.models.passages import Passage, PassageVector, Posting, Term
from apps.knowledge.models.reembedding import Reembedding
from apps.knowledge.models.stores import FileBatch, Stage, StoreFile, VectorStore

__all__ = [
    "Claimable",
    "Entity",
    "EntityType",
    "Evidence",
    "FileBatch",
    "Graph",
    "GraphDocument",
    "Mention",
    "Merge",
    "MergeReason",
    "Method",
    "Passage",
    "PassageVector",
    "Posting",
    "Reembedding",
    "Relation",
    "Stage",
    "Status",
    "StoreFile",
    "Term",
    "VectorStore",
]
