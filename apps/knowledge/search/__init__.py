"""Searches a vector store by words and by meaning."""

from apps.knowledge.search.duplicates import Distinct
from apps.knowledge.search.hybrid import ModelChangedError, search_store

__all__ = ["Distinct", "ModelChangedError", "search_store"]
