"""manage.py search: a vector store, by words and meaning, as the API would."""

import asyncio
import secrets
from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.gateway import runtime
from apps.knowledge.command_line import one_store
from apps.knowledge.contracts import Hit, ToEmbed, Wanted
from apps.knowledge.services import embedded, search

SHOWN = 300  # characters of a passage, for people


class Command(ArtemisCommand):
    help = "Searches a vector store. The key that made the store pays for the question's embedding."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("query")
        parser.add_argument("--store", required=True, help="name or id")
        parser.add_argument("--account", required=True, help="slug of the account")
        parser.add_argument("--most", type=int, default=10, choices=range(1, 51), metavar="1-50")

    def answer(self, **options: Any) -> dict[str, Any]:
        store = one_store(account_id=account_id_of_slug(slug=options["account"]), name=options["store"])
        query, hits = options["query"], list[Hit]()
        if store.passages:
            asked = ToEmbed(
                request_id=f"req_{secrets.token_hex(12)}",
                key_id=store.api_key_id,
                address="",
                model=store.embedding_model,
                texts=[query],
            )
            vectors = asyncio.run(runtime.at_work(embedded(asked)))
            hits = search(store=store, queries=[query], vectors=vectors, wanted=Wanted(most=options["most"]))
        return {"store": store.public_id, "hits": [_row(hit) for hit in hits]}

    def show(self, result: dict[str, Any]) -> None:
        for row in result["hits"]:
            where = f", page {row['page']}" if row["page"] else ""
            self.stdout.write(f"{row['score']:.3f}  {row['filename']}{where}")
            self.stdout.write(f"       {row['text'][:SHOWN]}")
        if not result["hits"]:
            self.stdout.write("Nothing was found.")


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "file_id": hit.file_id,
        "filename": hit.filename,
        "page": hit.page,
        "headings": list(hit.headings),
        "score": hit.score,
        "bm25": hit.bm25,
        "cosine": hit.cosine,
        "text": hit.text,
    }
