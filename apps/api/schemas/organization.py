"""/v1/organization: queries, by https://platform.openai.com/docs/api-reference/usage"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

Seconds = Annotated[int, Meta(ge=0, le=32_503_680_000)]  # until the year 3000
Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=254)]], Meta(max_length=100)]
OWNERS = {"project_id": "project", "user_id": "person", "api_key_id": "key"}


class BucketsQuery(Struct, forbid_unknown_fields=True):
    """`GROUPS`: what may be grouped by, and what usage calls it. `FILTERS`: the same of what use may be held to."""

    LISTS: ClassVar[frozenset[str]] = frozenset({"group_by", "project_ids", "user_ids", "api_key_ids", "models"})
    WIDTHS: ClassVar[Mapping[str, tuple[int, int]]] = MappingProxyType({"1h": (24, 168), "1d": (7, 31)})
    """The buckets of a page: unless told, and at most."""
    NOT_KEPT: ClassVar[str] = "Use is kept by the hour and by the day (UTC), not by the minute"
    GROUPS: ClassVar[Mapping[str, str]]
    FILTERS: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"project_ids": "project", "user_ids": "person", "api_key_ids": "key", "models": "model"}
    )

    start_time: Seconds
    end_time: Seconds | None = None
    bucket_width: str = "1d"
    group_by: Names = []
    project_ids: Names = []
    api_key_ids: Names = []
    limit: int | None = None
    page: Annotated[str, Meta(max_length=100)] | None = None


class UsageQuery(BucketsQuery):
    GROUPS: ClassVar[Mapping[str, str]] = MappingProxyType({**OWNERS, "model": "model"})

    user_ids: Names = []
    models: Names = []


class CompletionsQuery(UsageQuery):
    GROUPS: ClassVar[Mapping[str, str]] = MappingProxyType(
        {**OWNERS, "model": "model", "batch": "tier", "service_tier": "tier"}
    )

    batch: bool | None = None


class CostsQuery(BucketsQuery):
    WIDTHS: ClassVar[Mapping[str, tuple[int, int]]] = MappingProxyType({"1d": (7, 180)})
    NOT_KEPT: ClassVar[str] = "Costs are told by the day (UTC)"
    GROUPS: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"project_id": "project", "line_item": "model", "api_key_id": "key"}
    )
