"""/v1/vector_stores: bodies and queries, by https://platform.openai.com/docs/api-reference/vector-stores

Beyond OpenAI's: `embedding_model` of a store, `replaces` of a file; in ranking options `near_duplicates`, `graph`, and
that the `ranker` may be a model.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from apps.api.schemas.files import Identifier, Metadata
from apps.common.errors import Invalid
from apps.knowledge.contracts import AUTO, USUAL_OVERLAP, USUAL_TOKENS, Chunking, ToAttach, Wanted, Weights

ENDPOINT = "vector_stores"  # as keys allow it
MOST_FILES, MOST_QUERIES = 2000, 20
Name = Annotated[str, Meta(max_length=256)]
Description = Annotated[str, Meta(max_length=512)]
Value = Annotated[str, Meta(max_length=512)] | float | bool
AttributesOf = Annotated[dict[Annotated[str, Meta(max_length=64)], Value], Meta(max_length=16)]
Query = Annotated[str, Meta(min_length=1, max_length=4096)]


class Expiry(Struct, forbid_unknown_fields=True):
    anchor: Literal["last_active_at"]
    days: Annotated[int, Meta(ge=1, le=365)]


class StaticSizes(Struct, forbid_unknown_fields=True):
    max_chunk_size_tokens: Annotated[int, Meta(ge=100, le=4096)]
    chunk_overlap_tokens: Annotated[int, Meta(ge=0)]


class AutoChunking(Struct, forbid_unknown_fields=True, tag="auto", tag_field="type"):
    pass


class StaticChunking(Struct, forbid_unknown_fields=True, tag="static", tag_field="type"):
    static: StaticSizes


Strategy = AutoChunking | StaticChunking


class CreateStore(Struct, forbid_unknown_fields=True):
    name: Name | None = None
    description: Description | None = None
    file_ids: Annotated[list[Identifier], Meta(max_length=MOST_FILES)] | None = None
    expires_after: Expiry | None = None
    chunking_strategy: Strategy | None = None
    metadata: Metadata | None = None
    embedding_model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class ChangeStore(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    expires_after: Expiry | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    embedding_model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None

    def changes(self) -> dict[str, Any]:
        """By the names of the store's own fields; what was left out stays."""
        given: dict[str, Any] = {}
        if self.name is not UNSET:
            given["name"] = self.name or ""
        if self.description is not UNSET:
            given["description"] = self.description or ""
        if self.metadata is not UNSET:
            given["metadata"] = self.metadata or {}
        if self.expires_after is not UNSET:
            given["expires_days"] = self.expires_after.days if self.expires_after else None
        return given


class AttachFile(Struct, forbid_unknown_fields=True):
    file_id: Identifier
    attributes: AttributesOf | None = None
    chunking_strategy: Strategy | None = None
    replaces: Identifier | None = None

    def wanted(self) -> ToAttach:
        return ToAttach(
            file_id=self.file_id,
            attributes=self.attributes or {},
            chunking=chunking_of(self.chunking_strategy),
            replaces=self.replaces or "",
        )


class AttachBatch(Struct, forbid_unknown_fields=True):
    file_ids: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_FILES)] | None = None
    files: Annotated[list[AttachFile], Meta(min_length=1, max_length=MOST_FILES)] | None = None
    attributes: AttributesOf | None = None
    chunking_strategy: Strategy | None = None

    def wanted(self) -> list[ToAttach]:
        """Raises Invalid."""
        if (self.file_ids is None) == (self.files is None):
            raise Invalid("file_ids", "Give either file_ids or files.")
        if self.files is not None:
            if self.attributes is not None or self.chunking_strategy is not None:
                raise Invalid("files", "With files, attributes and chunking_strategy stand in each of them.")
            return [one.wanted() for one in self.files]
        chunking, attributes = chunking_of(self.chunking_strategy), self.attributes or {}
        return [ToAttach(file_id=name, attributes=attributes, chunking=chunking) for name in self.file_ids or []]


class ChangeFile(Struct, forbid_unknown_fields=True):
    attributes: AttributesOf | None


class HybridSearch(Struct, forbid_unknown_fields=True):
    embedding_weight: Annotated[float, Meta(ge=0, le=1000)] = 0.5
    text_weight: Annotated[float, Meta(ge=0, le=1000)] = 0.5


class RankingOptions(Struct, forbid_unknown_fields=True):
    ranker: Annotated[str, Meta(max_length=200)] | None = None
    near_duplicates: Literal["drop", "keep"] = "drop"
    graph: Literal["ignore", "widen"] = "ignore"
    score_threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    hybrid_search: HybridSearch | None = None


class SearchStore(Struct, forbid_unknown_fields=True):
    query: Query | Annotated[list[Query], Meta(min_length=1, max_length=MOST_QUERIES)]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Meta(ge=1, le=50)] = 10
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None

    @property
    def queries(self) -> list[str]:
        return [self.query] if isinstance(self.query, str) else self.query

    def wanted(self) -> Wanted:
        wanted = wanted_of(self.filters, self.max_num_results, self.ranking_options)
        return replace(wanted, rewrites=self.rewrite_query is True)


class StoresQuery(Struct, forbid_unknown_fields=True):
    after: Identifier | None = None
    before: Identifier | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"


class StoreFilesQuery(StoresQuery):
    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None


def chunking_of(strategy: Strategy | None) -> Chunking:
    """Raises Invalid."""
    if not isinstance(strategy, StaticChunking):
        return Chunking(max_tokens=USUAL_TOKENS, overlap=USUAL_OVERLAP)
    sizes = strategy.static
    if sizes.chunk_overlap_tokens > sizes.max_chunk_size_tokens // 2:
        raise Invalid(
            "chunking_strategy.static.chunk_overlap_tokens",
            "chunk_overlap_tokens is at most half of max_chunk_size_tokens.",
        )
    return Chunking(max_tokens=sizes.max_chunk_size_tokens, overlap=sizes.chunk_overlap_tokens, is_auto=False)


def wanted_of(filters: dict[str, Any] | None, most: int, options: RankingOptions | None) -> Wanted:
    """Raises Invalid."""
    options = options or RankingOptions()
    weights = Weights()
    if options.hybrid_search:
        weights = Weights(embedding=options.hybrid_search.embedding_weight, text=options.hybrid_search.text_weight)
        if not weights.embedding + weights.text:
            raise Invalid("ranking_options.hybrid_search", "One of the two weights must be greater than zero.")
    return Wanted(
        filters=filters,
        most=most,
        weights=weights,
        score_threshold=options.score_threshold or 0.0,
        ranker=options.ranker or AUTO,
        is_distinct=options.near_duplicates == "drop",
        widens=options.graph == "widen",
    )
