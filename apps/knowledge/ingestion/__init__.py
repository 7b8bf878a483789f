"""Documents become passages: claimed, read, embedded block by block, shown. Each step can be gone on with by another
worker where one was killed."""

from apps.knowledge.ingestion.run import run_waiting_documents

__all__ = ["run_waiting_documents"]
