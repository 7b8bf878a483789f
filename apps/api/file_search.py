"""Searches vector stores for a question before a model answers it.

OpenAI's models decide whether to search, in a round of their own. Here the question itself is searched for, always:
that asks one engine once, and works with models that call no tools.
"""

import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from apps.api.schemas.file_search import FileSearchTool
from apps.api.schemas.vector_stores import ENDPOINT
from apps.common.database import in_thread
from apps.common.errors import Invalid
from apps.gateway.contracts import Call
from apps.gateway.services import check_endpoint
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import Hit, Question, Results, StoreFacts

LONGEST_QUERY = 4096  # characters
SHARE_OF_CONTEXT = 3  # passages take a third of what a model reads, at most


@dataclass(frozen=True, slots=True)
class Findings:
    """What was searched for and found, as far as the model is told of it (`told`)."""

    id: str
    found: Results
    told: str

    def item(self, *, with_results: bool) -> dict[str, Any]:
        """OpenAI's output item."""
        results = [_result(hit) for hit in self.found.hits] if with_results else None
        return {
            "id": self.id,
            "type": "file_search_call",
            "status": "completed",
            "queries": self.found.queries,
            "results": results,
            "artemis": findings_card(self.found),
        }

    def annotations(self, text: str) -> list[dict[str, Any]]:
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
            for citation in knowledge.citations(text, self.found.hits)
        ]


async def findings(call: Call, tool: FileSearchTool, queries: list[str]) -> Findings:
    """Raises ArtemisError."""
    queries = [query[-LONGEST_QUERY:] for query in queries if query.strip()]
    if not queries:
        raise Invalid("tools", "file_search needs a question in words: the last message of the user has none.")
    check_endpoint(call.key, endpoint=ENDPOINT)
    stores = [await in_thread(partial(_store, call.key, name)) for name in tool.vector_store_ids]
    question = Question(
        key=call.key,
        address=call.address,
        request_id=f"{call.request_id}_fs",
        stores=stores,
        queries=queries,
        wanted=tool.wanted(),
    )
    found = await knowledge.find(question)
    told, chosen = knowledge.quoted(found.hits, most_tokens=call.model.context_length // SHARE_OF_CONTEXT)
    return Findings(f"fs_{secrets.token_hex(20)}", replace(found, hits=chosen), told)


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


def _store(key: KeyFacts, store_id: str) -> StoreFacts:
    return selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store_id)


def _result(hit: Hit) -> dict[str, Any]:
    return {
        "file_id": hit.file_id,
        "filename": hit.filename,
        "score": round(hit.score, 6),
        "attributes": hit.attributes,
        "text": hit.text,
    }
