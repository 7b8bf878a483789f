"""POST /v1/rerank, as Jina and Cohere have it: https://docs.cohere.com/reference/rerank"""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from apps.api.schemas.fields import Positive, Request

MOST_DOCUMENTS = 1000
PAIR_BYTES = 64  # what an engine may put around a query and a document, in tokens of a byte each


class Document(Struct, forbid_unknown_fields=True):
    text: str


class RerankRequest(Request, kw_only=True):
    """`return_documents`: whether the answer repeats them."""

    LOCAL: ClassVar[frozenset[str]] = Request.LOCAL | {"return_documents"}

    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1, max_length=MOST_DOCUMENTS)]
    top_n: Positive | None = None
    return_documents: bool | None = None

    stream = None
    output_limit = None
    choices = 1

    @property
    def texts(self) -> list[str]:
        return [one if isinstance(one, str) else one.text for one in self.documents]

    def prompt_bytes(self, raw: int) -> int:
        """The model reads the query anew with each document."""
        return raw + len(self.documents) * (len(self.query.encode()) + PAIR_BYTES)

    def prepared(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Documents as texts: the form that every engine takes."""
        return {**payload, "documents": self.texts}

    def inconsistency(self) -> tuple[str, str] | None:
        """(field, sentence) of what no model can rank."""
        if not all(text.strip() for text in self.texts):
            return "documents", "documents cannot contain an empty text."
        if not self.query.strip():
            return "query", "query cannot be empty."
        return None
