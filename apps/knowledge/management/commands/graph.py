"""manage.py graph: the knowledge graph of a vector store, as the API would build, estimate and show it."""

import time
from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.common.errors import Invalid, NotFound, Unavailable
from apps.common.money import NANO_PER_USD
from apps.keys.contracts import KeyFacts
from apps.keys.selectors import facts_of_key, keys_of_account
from apps.knowledge.command_line import one_store
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph.contracts import Estimate, GraphFacts, Picture
from apps.knowledge.graph.selectors import graph_of_store, picture_of_store
from apps.knowledge.graph.services import build_graph, chat_model, delete_graph, estimate, turn_off

LOOK_SECONDS = 0.5
SHOWN = 20  # entities and relations


class Command(ArtemisCommand):
    help = "Builds the knowledge graph of a vector store, tells what that would cost, or shows what is in it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--store", required=True, help="name or id")
        parser.add_argument("--account", required=True, help="slug of the account")
        parser.add_argument("--key", default="", help="id of the key that asks for it (default: the store's)")
        parser.add_argument("--build", default="", metavar="offline|MODEL|off", help="how, from now on")
        parser.add_argument("--estimate", action="store_true", help="only tell what --build would take")
        parser.add_argument("--delete", action="store_true", help="delete the graph; the store stays")
        parser.add_argument("--seconds", type=float, default=600, help="how long to wait (default: 600)")

    def answer(self, **options: Any) -> dict[str, Any]:
        store = one_store(account_id=account_id_of_slug(slug=options["account"]), name=options["store"])
        model = "" if options["build"] in ("offline", "off") else options["build"]
        if options["estimate"]:
            facts = chat_model(_key(store, options["key"]), model) if model else None
            return {"store": store.public_id, "estimate": _estimate_row(estimate(**_named(store), model=facts))}
        if options["delete"]:
            delete_graph(**_named(store))
        elif options["build"] == "off":
            turn_off(**_named(store))
        elif options["build"]:
            method = "model" if model else "offline"
            build_graph(key=_key(store, options["key"]), store_id=store.public_id, method=method, model=model)
            _wait(store, options["seconds"])
        return {"store": store.public_id, **_graph_row(store)}

    def show(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"vector store {result['store']}")
        if "estimate" in result:
            self._show_estimate(result["estimate"])
            return
        progress = result["progress"]
        self.stdout.write(
            f"graph: {result['status']}, {result['method']} {result['model']}".rstrip()
            + f"; {progress['passages_done']} of {progress['passages_total']} passages"
        )
        for row in result["entities"]:
            self.stdout.write(f"{row['mentions']:>6}  {row['name']} ({row['type']})")
        for row in result["relations"]:
            self.stdout.write(f"  {row['confidence']:.2f}  {row['subject']} – {row['type']} – {row['object']}")  # noqa: RUF001

    def _show_estimate(self, row: dict[str, Any]) -> None:
        self.stdout.write(
            f"{row['passages']} passages of {row['documents']} files: about {row['input_tokens']} tokens in and "
            f"{row['output_tokens']} out, {row['cost_nano_usd'] / NANO_PER_USD:.4f} USD "
            f"(at most {row['cost_at_most_nano_usd'] / NANO_PER_USD:.4f})"
        )


def _named(store: StoreFacts) -> dict[str, Any]:
    return {"account_id": store.account_id, "project_id": store.project_id, "store_id": store.public_id}


def _key(store: StoreFacts, public_id: str) -> KeyFacts:
    if public_id:
        found = facts_of_key(account_id=store.account_id, public_id=public_id)
        if found.project_id != store.project_id:
            raise NotFound(f"The key {public_id!r} is of another project than the store.")
        return found
    for row in keys_of_account(account_id=store.account_id):
        if row.status == "active":
            found = facts_of_key(account_id=store.account_id, public_id=row.public_id)
            if found.project_id == store.project_id:
                return found
    raise Invalid("key", "The store's project has no active key; make one with `manage.py create_key`.")


def _wait(store: StoreFacts, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (facts := graph_of_store(**_named(store))).status == "in_progress":
        if time.monotonic() >= until:
            message = f"{facts.progress.in_progress} files are not in the graph yet. Is a worker running?"
            raise Unavailable(message, code="still_in_progress")
        time.sleep(LOOK_SECONDS)


def _graph_row(store: StoreFacts) -> dict[str, Any]:
    facts: GraphFacts = graph_of_store(**_named(store))
    picture = Picture(nodes=(), edges=(), is_cut=False)
    if facts.built_by:
        picture = picture_of_store(**_named(store), limit=SHOWN)
    progress = facts.progress
    return {
        "method": facts.method,
        "model": facts.model,
        "status": facts.status,
        "progress": {name: getattr(progress, name) for name in progress.__slots__},
        "entities": [
            {"id": node.id, "name": node.name, "type": node.type, "mentions": node.mentions} for node in picture.nodes
        ],
        "relations": [
            {
                "id": edge.id,
                "subject": edge.subject.name,
                "type": edge.type,
                "object": edge.object.name,
                "confidence": round(edge.confidence, 3),
            }
            for edge in picture.edges[:SHOWN]
        ],
    }


def _estimate_row(found: Estimate) -> dict[str, Any]:
    return {
        "method": found.method,
        "model": found.model,
        "documents": found.documents,
        "passages": found.passages,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost_nano_usd": found.cost,
        "cost_at_most_nano_usd": found.cost_at_most,
    }
