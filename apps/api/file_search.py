"""The tool `file_search`: what vector stores have about a question, and how an answer cites it, in OpenAI's form."""

import secrets
from typing import Any

from apps.api.schemas.file_search import FileSearchTool
from apps.common.errors import Invalid
from apps.gateway.contracts import Call
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import Findings, Hit, Results


async def findings(call: Call, tool: FileSearchTool, queries: list[str]) -> Findings:
    """Raises ArtemisError."""
    return await knowledge.find_passages(call, store_ids=tool.vector_store_ids, queries=queries, wanted=tool.wanted())


def search_item(found: Findings, *, with_results: bool) -> dict[str, Any]:
    """OpenAI's output item."""
    return {
        "id": f"fs_{secrets.token_hex(20)}",
        "type": "file_search_call",
        "status": "completed",
        "queries": list(found.queries),
        "results": [_result(hit) for hit in found.hits] if with_results else None,
        "artemis": findings_card(found),
    }


def annotations(found: Findings, text: str) -> list[dict[str, Any]]:
    """Of an answer; where each passage stands is told beside OpenAI's own fields."""
    return [
        {
            "type": "file_citation",
            "index": citation.index,
            "file_id": citation.hit.file_id,
            "filename": citation.hit.filename,
            "artemis": {
                "passage": citation.hit.position,
                "page": citation.hit.page,
                "headings": list(citation.hit.headings),
                "text": citation.hit.text,
            },
        }
        for citation in knowledge.citations(text, found.hits)
    ]


def chosen_tool(tools: Any, choice: Any) -> FileSearchTool | None:
    """The search that a checked request asks for. Raises Invalid for more than one."""
    found = [tool for tool in tools or () if isinstance(tool, FileSearchTool)]
    if len(found) > 1:
        raise Invalid("tools", "Give file_search once, with all the vector stores.")
    return found[0] if found and choice != "none" else None


def findings_card(found: Results) -> dict[str, Any]:
    """How it came to this order, beyond OpenAI's page."""
    return {
        "ranker": found.ranker or None,
        "ranker_failure": found.ranker_failure or None,
        "near_duplicates_dropped": found.duplicates,
    }


def _result(hit: Hit) -> dict[str, Any]:
    return {
        "file_id": hit.file_id,
        "filename": hit.filename,
        "score": round(hit.score, 6),
        "attributes": hit.attributes,
        "text": hit.text,
    }
