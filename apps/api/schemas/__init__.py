"""What callers may send: OpenAI's and Anthropic's published fields, checked, and which of them reach an engine."""

from apps.api.schemas.chat import ChatRequest
from apps.api.schemas.completions import CompletionRequest
from apps.api.schemas.embeddings import EmbeddingRequest
from apps.api.schemas.messages import CountTokensRequest, MessagesRequest
from apps.api.schemas.rerank import RerankRequest
from apps.api.schemas.responses import ResponsesRequest

__all__ = [
    "ChatRequest",
    "CompletionRequest",
    "CountTokensRequest",
    "EmbeddingRequest",
    "MessagesRequest",
    "RerankRequest",
    "ResponsesRequest",
]
