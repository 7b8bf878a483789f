"""Makes passages of documents: reads them in a confined process, and cuts what was read along its structure."""

from apps.knowledge.extraction.contracts import Block, Document, Limits, Passage, ReaderFailedError, UnreadableError

__all__ = [
    "Block",
    "Document",
    "Limits",
    "Passage",
    "ReaderFailedError",
    "UnreadableError",
]
