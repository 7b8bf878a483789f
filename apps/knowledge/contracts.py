"""What other rooms see of vector stores, and what they do for them."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from apps.keys.contracts import KeyFacts

Attributes = dict[str, str | float | bool]
STATUSES = ("in_progress", "completed", "cancelled", "failed")
USUAL_TOKENS, USUAL_OVERLAP = 800, 400  # of a passage, as OpenAI's "auto"
AUTO, NONE = "auto", "none"  # rankers


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCounts:
    in_progress: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.in_progress + self.completed + self.cancelled + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """Of all stores; `since`: when the oldest of those that wait came."""

    waiting: int
    failed: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReembeddingFacts:
    """That a store is to have another model. `status`: "in_progress", or "failed", after which it keeps its own."""

    model: str
    status: str
    passages_done: int
    error_message: str
    waits_for: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    id: int
    account_id: int
    project_id: int
    api_key_id: int
    public_id: str
    name: str
    description: str
    metadata: dict[str, str]
    embedding_model: str
    counts: FileCounts
    usage_bytes: int
    passages: int
    expires_days: int | None
    expires_at: datetime | None
    last_active_at: datetime
    created_at: datetime
    status: str  # "in_progress", "completed" or "expired"
    reembedding: ReembeddingFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunking:
    """How a document is split: at most so many tokens a passage, so many of them repeated from the one before."""

    max_tokens: int = USUAL_TOKENS
    overlap: int = USUAL_OVERLAP
    is_auto: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAttach:
    """A file to be attached to a store. `replaces`: the file whose place it takes once it can be searched."""

    file_id: str
    attributes: Attributes = field(default_factory=dict)
    chunking: Chunking = Chunking()
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """A file in a store."""

    id: int
    file_id: str
    filename: str
    store_id: str
    status: str  # one of STATUSES
    stage: str
    error_code: str
    error_message: str
    waits_for: str
    attributes: Attributes
    chunking: Chunking
    media_type: str
    pages: int | None
    language: str
    passages_total: int
    passages_done: int
    usage_bytes: int
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageFacts:
    """A piece of a document, as people read it."""

    position: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    public_id: str
    store_id: str
    status: str  # "in_progress", "completed", "cancelled" or "failed"
    counts: FileCounts
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What a passage's nearness in meaning and in words counts for; their sum is what a score of 1 is."""

    embedding: float = 0.5
    text: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for. `filters`: OpenAI's, as they came and were checked.

    `ranker`: a model that reranks, "none", or "auto": the platform's, where the key may call it. `is_distinct`: of
    passages that say nearly the same, the best alone. `widens`: along the store's graph, where it has one.
    """

    filters: dict[str, Any] | None = None
    most: int = 10
    weights: Weights = Weights()
    score_threshold: float = 0.0
    ranker: str = AUTO
    is_distinct: bool = True
    rewrites: bool = False
    widens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found, its score from 0 to 1, and what that is made of: BM25 (None: none of the words stands
    there) and the cosine of its vector with the question's, `fused` to one of both; and where a model reranked, its
    relevance (`rerank`), which then is the score. `because`: what led to it along the graph, and not the search."""

    document_id: int
    passage_id: int
    file_id: str
    filename: str
    attributes: Attributes
    position: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    tokens: int
    score: float
    bm25: float | None
    cosine: float | None
    fused: float
    rerank: float | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a key asks vector stores. All that is asked of models for it has an id that begins with `request_id`; it
    is `counted` where the question was as a request a minute, before."""

    key: KeyFacts
    address: str
    request_id: str
    stores: Sequence[StoreFacts]
    queries: Sequence[str]
    wanted: Wanted
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What was found for `queries`, rewritten ones where that was asked for and could be done.

    `ranker`: the model that reranked; empty: none, and `ranker_failure` says why where one was to. `duplicates`: how
    many passages were left out, since better ones say nearly the same.
    """

    queries: list[str]
    hits: list[Hit]
    ranker: str = ""
    ranker_failure: str = ""
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """That an answer goes back to a passage. `index`: the place in its text, in characters; `end`: behind the mark
    that stands there, the same where the text has none. `number`: the passage's, as the model was told it."""

    index: int
    end: int
    number: int
    hit: Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings(Results):
    """What a model is told of what was found: its hits stand in the order of their numbers."""

    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToEmbed:
    """Texts whose vectors are asked for with a key, as a request of that id. `prepaid`: it was charged before."""

    request_id: str
    key_id: int
    address: str
    model: str
    texts: Sequence[str]
    prepaid: bool = False


Embed = Callable[[ToEmbed], Coroutine[Any, Any, list[list[float]]]]
"""The door through which vectors are asked for, with every check that a live request meets. Raises ArtemisError."""


class ContextOf(Protocol):
    def __call__(self, *, name: str) -> int | None:
        """How many tokens the model of this name takes, where that is known."""
