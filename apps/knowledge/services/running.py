"""Reads the documents that wait, and embeds anew the stores that do."""

from apps.knowledge.ingestion import run_waiting_documents
from apps.knowledge.reembedding import run_waiting_reembeddings

__all__ = ["run_waiting_documents", "run_waiting_reembeddings"]
