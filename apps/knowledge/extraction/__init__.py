"""Makes passages of documents: reads them in a confined process, and cuts what was read along its structure."""

from apps.knowledge.extraction.contracts import Block, Document, Limits, Passage, ReaderFailedError, UnreadableError
from apps.knowledge.extraction.languages import configuration_of
from apps.knowledge.extraction.reading import extract
from apps.knowledge.extraction.splitting import split

__all__ = [
    "Block",
    "Document",
    "Limits",
    "Passage",
    "ReaderFailedError",
    "UnreadableError",
    "configuration_of",
    "extract",
    "split",
]
