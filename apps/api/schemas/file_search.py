"""The tool `file_search`, by https://platform.openai.com/docs/guides/tools-file-search; in chat completions ours."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from apps.api.schemas.files import Identifier
from apps.api.schemas.vector_stores import RankingOptions, wanted_of
from apps.knowledge.contracts import Wanted

MOST_STORES = 4
USUAL_RESULTS = 8


class FileSearchTool(Struct, tag_field="type", tag="file_search", forbid_unknown_fields=True):
    vector_store_ids: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_STORES)]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None

    def wanted(self) -> Wanted:
        """Raises Invalid."""
        return wanted_of(self.filters, self.max_num_results or USUAL_RESULTS, self.ranking_options)


def questions_of(asked: list[str]) -> list[str]:
    """Of what a user said, in order: the last, and the last two together."""
    return [asked[-1], "\n".join(asked[-2:])] if len(asked) > 1 else asked
