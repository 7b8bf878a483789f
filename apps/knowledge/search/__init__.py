"""Searches a vector store by words and by meaning."""

from apps.knowledge.search.duplicates import Distinct
from apps.knowledge.search.hybrid import ModelChangedError, hits_of, search_store
from apps.knowledge.search.scope import scope_of

__all__ = ["Distinct", "ModelChangedError", "hits_of", "scope_of", "search_store"]
