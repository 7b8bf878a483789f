"""Reads the documents that wait."""

from apps.knowledge.ingestion import run_waiting_documents

__all__ = ["run_waiting_documents"]
