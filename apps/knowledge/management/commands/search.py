"""manage.py search: a vector store, by words and meaning, as the API would."""

import asyncio
import secrets
from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.gateway import runtime
from apps.knowledge.command_line import one_store
from apps.knowledge.contracts import AUTO, Hit, Question, Results, StoreFacts, Wanted
from apps.knowledge.services import find, key_by_id

SHOWN = 300  # characters of a passage, for people


class Command(ArtemisCommand):
    help = "Searches a vector store. The key that made the store pays for what its models are asked."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("query")
        parser.add_argument("--store", required=True, help="name or id")
        parser.add_argument("--account", required=True, help="slug of the account")
        parser.add_argument("--most", type=int, default=10, choices=range(1, 51), metavar="1-50")
        parser.add_argument("--ranker", default=AUTO, help="a model that reranks, or none (default: the platform's)")
        parser.add_argument("--graph", action="store_true", help="go on along the store's graph")
        parser.add_argument("--rewrite", action="store_true", help="as a query for a search, by the platform's model")

    def answer(self, **options: Any) -> dict[str, Any]:
        store = one_store(account_id=account_id_of_slug(slug=options["account"]), name=options["store"])
        wanted = Wanted(
            most=options["most"], ranker=options["ranker"], rewrites=options["rewrite"], widens=options["graph"]
        )
        found = asyncio.run(runtime.at_work(_found(store, options["query"], wanted)))
        return {
            "store": store.public_id,
            "queries": found.queries,
            "ranker": found.ranker,
            "ranker_failure": found.ranker_failure,
            "near_duplicates_dropped": found.duplicates,
            "hits": [_row(hit) for hit in found.hits],
        }

    def show(self, result: dict[str, Any]) -> None:
        for row in result["hits"]:
            where = f", page {row['page']}" if row["page"] else ""
            self.stdout.write(f"{row['score']:.3f}  {row['filename']}{where}")
            self.stdout.write(f"       {row['text'][:SHOWN]}")
            if row["because"]:
                self.stdout.write(f"       {row['because']}")
        if result["ranker_failure"]:
            self.stdout.write(f"Not reranked: {result['ranker_failure']}")
        if not result["hits"]:
            self.stdout.write("Nothing was found.")


async def _found(store: StoreFacts, query: str, wanted: Wanted) -> Results:
    return await find(
        Question(
            key=await key_by_id(store.api_key_id, address=""),
            address="",
            request_id=f"req_{secrets.token_hex(12)}",
            stores=[store],
            queries=[query],
            wanted=wanted,
            counted=False,
        )
    )


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "file_id": hit.file_id,
        "filename": hit.filename,
        "page": hit.page,
        "headings": list(hit.headings),
        "score": hit.score,
        "because": hit.because,
        "bm25": hit.bm25,
        "cosine": hit.cosine,
        "fused": hit.fused,
        "rerank": hit.rerank,
        "text": hit.text,
    }
