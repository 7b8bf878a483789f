"""What callers may send: OpenAI's published fields, checked, and which of them reach an engine."""

from apps.api.schemas.chat import ChatRequest
from apps.api.schemas.completions import CompletionRequest
from apps.api.schemas.embeddings import EmbeddingRequest
from apps.api.schemas.rerank import RerankRequest

__all__ = ["ChatRequest", "CompletionRequest", "EmbeddingRequest", "RerankRequest"]
