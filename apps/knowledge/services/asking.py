"""What vector stores have about a question, found before a model answers it, and told to the model.

OpenAI's models decide whether to search, in a round of their own. Here the question itself is searched for, always:
that asks one engine once, and works with models that call no tools.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from apps.common.database import in_thread
from apps.common.errors import Invalid
from apps.gateway.contracts import Call
from apps.gateway.services import check_admission, check_endpoint
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors
from apps.knowledge.contracts import Findings, Question, StoreFacts, Wanted
from apps.knowledge.services.finding import find
from apps.knowledge.services.quoting import quoted

ENDPOINT = "vector_stores"
LONGEST_QUERY = 4096  # characters
SHARE_OF_CONTEXT = 3  # passages take a third of what a model reads, at most


def questions_of(asked: list[str]) -> list[str]:
    """Of what a user said, in order: the last, and the last two together, for a question may lean on the one before."""
    return [asked[-1], "\n".join(asked[-2:])] if len(asked) > 1 else asked


async def admitted(call: Call) -> Call:
    """Before anything is paid for a call that is completed later. Raises ArtemisError."""
    if call.counted:
        return call
    await check_admission(call)
    return replace(call, counted=True)


async def find_passages(call: Call, *, store_ids: Sequence[str], queries: Sequence[str], wanted: Wanted) -> Findings:
    """By the call's key, whose embeddings are requests of their own (`<request_id>_fs…`). Raises ArtemisError."""
    queries = [query[-LONGEST_QUERY:] for query in queries if query.strip()]
    if not queries:
        raise Invalid("tools", "file_search needs a question in words: the last message of the user has none.")
    check_endpoint(call.key, endpoint=ENDPOINT)
    stores = [await in_thread(partial(_store, call.key, store_id)) for store_id in store_ids]
    question = Question(
        key=call.key,
        address=call.address,
        request_id=f"{call.request_id}_fs",
        stores=stores,
        queries=queries,
        wanted=wanted,
    )
    found = await find(question)
    told, chosen = quoted(found.hits, most_tokens=call.model.context_length // SHARE_OF_CONTEXT)
    return Findings(
        queries=found.queries,
        hits=chosen,
        ranker=found.ranker,
        ranker_failure=found.ranker_failure,
        duplicates=found.duplicates,
        told=told,
    )


def with_passages(call: Call, found: Findings) -> Call:
    """A chat whose model is told of what was found, with its instructions or as them."""
    first, *others = call.payload["messages"]
    if first["role"] in ("system", "developer") and isinstance(first.get("content"), str):
        messages = [{**first, "content": f"{first['content']}\n\n{found.told}"}, *others]
    else:
        messages = [{"role": "system", "content": found.told}, first, *others]
    size = call.prompt_bytes + len(found.told.encode())
    return replace(call, payload={**call.payload, "messages": messages}, prompt_bytes=size)


def _store(key: KeyFacts, store_id: str) -> StoreFacts:
    return selectors.store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store_id)
