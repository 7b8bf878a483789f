"""Searches a vector store by words and by meaning."""

from apps.knowledge.search.hybrid import search_store

__all__ = ["search_store"]
