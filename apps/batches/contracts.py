"""What other rooms see of batches, and what they do for them."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """A batch as its project's callers see it; `errors` as {code, line, message, param}."""

    public_id: str
    endpoint: str
    status: str
    input_file: str
    output_file: str | None
    error_file: str | None
    errors: list[dict[str, Any]]
    metadata: dict[str, str] | None
    total: int
    completed: int
    failed: int
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    expired_at: datetime | None
    cancelling_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One line to be answered. `prepaid`: it was charged before, and the answer was lost with its worker."""

    request_id: str
    endpoint: str  # one of ENDPOINTS
    body: bytes
    secret_hash: str
    address: str
    prepaid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a caller would have been answered; `code` of an error. `retry_after`: it may be asked again then."""

    status: int
    body: bytes
    code: str = ""
    retry_after: float | None = None


Ask = Callable[[Question], Coroutine[Any, Any, Reply]]
"""The door through which a line is asked, with every check that a live request meets. Raises nothing of its own."""
