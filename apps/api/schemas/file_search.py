"""The tool `file_search`, by https://platform.openai.com/docs/guides/tools-file-search; in chat completions ours."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from apps.api.schemas.files import Identifier
from apps.api.schemas.vector_stores import RankingOptions, wanted_of
from apps.knowledge.contracts import Wanted

MOST_STORES = 4
USUAL_RESULTS = 8
KIND = "file_search"


class FileSearchTool(Struct, tag_field="type", tag="file_search", forbid_unknown_fields=True):
    vector_store_ids: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_STORES)]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None

    def wanted(self) -> Wanted:
        """Raises Invalid."""
        return wanted_of(self.filters, self.max_num_results or USUAL_RESULTS, self.ranking_options)


class Searching:
    """Of a request with `tools`."""

    __slots__ = ()
    tools: Any

    @property
    def searches(self) -> bool:
        return any(isinstance(tool, FileSearchTool) for tool in self.tools or ())

    def for_engines(self, payload: dict[str, Any]) -> dict[str, Any]:
        return without_search(payload) if self.searches else payload


def without_search(payload: dict[str, Any]) -> dict[str, Any]:
    """What an engine is sent: it knows nothing of this tool, or of a choice that only this tool is left for."""
    tools = [tool for tool in payload.get("tools") or () if tool.get("type") != KIND]
    kept = {name: value for name, value in payload.items() if name not in ("tools", "tool_choice")}
    choice = payload.get("tool_choice")
    if tools:
        kept["tools"] = tools
    if choice is not None and tools and not (isinstance(choice, dict) and choice.get("type") == KIND):
        kept["tool_choice"] = choice
    return kept
