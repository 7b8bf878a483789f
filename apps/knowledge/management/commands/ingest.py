"""manage.py ingest: files of this machine into a vector store, as the API would."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from apps.accounts.selectors import account_id_of_slug
from apps.common.commands import ArtemisCommand
from apps.common.errors import Invalid, Unavailable
from apps.files.services import upload_file
from apps.gateway import runtime
from apps.keys.contracts import KeyFacts
from apps.keys.selectors import facts_of_key, keys_of_account
from apps.knowledge.command_line import one_store
from apps.knowledge.contracts import DocumentFacts, StoreFacts, ToAttach
from apps.knowledge.selectors import document_of_store, stores_by_name
from apps.knowledge.services import attach, create_store, embedding_model

PIECE = 2**20
LOOK_SECONDS = 0.5


class Command(ArtemisCommand):
    help = "Puts a file, or every file of a folder, into a vector store, and waits until they can be searched."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", type=Path)
        parser.add_argument("--store", required=True, help="name or id; a store of a new name is made")
        parser.add_argument("--account", required=True, help="slug of the account")
        parser.add_argument("--key", default="", help="id of the key that pays (default: the account's first)")
        parser.add_argument("--model", default="", help="embedding model of a store that is made")
        parser.add_argument("--seconds", type=float, default=600, help="how long to wait (default: 600)")

    def answer(self, **options: Any) -> dict[str, Any]:
        account_id = account_id_of_slug(slug=options["account"])
        paths = list(_files(options["path"]))
        key = _key(account_id, options["key"])
        store = _store(key, options["store"], options["model"])
        ids = [_attached(key, store, path) for path in paths]
        documents = _ended(store, ids, options["seconds"])
        self._failed = any(document.status != "completed" for document in documents)
        return {"store": store.public_id, "files": [_row(document) for document in documents]}

    def show(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"vector store {result['store']}")
        for row in result["files"]:
            self.stdout.write(f"{row['status']:<12} {row['passages']:>6} passages  {row['filename']}  {row['error']}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ends with 1 where a file could not be read."""
        self._failed = False
        super().handle(*args, **options)
        if self._failed:
            sys.exit(1)


def _files(path: Path) -> Iterator[Path]:
    """Hidden files and folders are left out."""
    if path.is_file():
        yield path
        return
    found = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else []
    found = [one for one in found if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    if not found:
        raise Invalid("path", f"{path} is no file, and no folder with files in it.")
    yield from found


def _key(account_id: int, public_id: str) -> KeyFacts:
    if not public_id:
        active = [row.public_id for row in keys_of_account(account_id=account_id) if row.status == "active"]
        if not active:
            raise Invalid("key", "This account has no active key; make one with `manage.py create_key`.")
        public_id = active[-1]
    return facts_of_key(account_id=account_id, public_id=public_id)


def _store(key: KeyFacts, name: str, model: str) -> StoreFacts:
    if stores_by_name(account_id=key.account_id, name=name):
        return one_store(account_id=key.account_id, name=name)
    model = asyncio.run(runtime.at_work(embedding_model(key, name=model, address="")))
    return create_store(key=key, address="", embedding_model=model, name=name)


def _attached(key: KeyFacts, store: StoreFacts, path: Path) -> str:
    with path.open("rb") as file:
        kept = upload_file(
            account_id=store.account_id,
            project_id=store.project_id,
            name=path.name,
            content=iter(lambda: file.read(PIECE), b""),
            size=path.stat().st_size,
            lifetime=None,
            purpose="assistants",
        )
    attach(key=key, address="", store_id=store.public_id, file=ToAttach(file_id=kept.public_id))
    return kept.public_id


def _ended(store: StoreFacts, ids: list[str], seconds: float) -> list[DocumentFacts]:
    until = time.monotonic() + seconds
    while True:
        documents = [
            document_of_store(
                account_id=store.account_id, project_id=store.project_id, store_id=store.public_id, file_id=file_id
            )
            for file_id in ids
        ]
        open_ones = [document for document in documents if document.status == "in_progress"]
        if not open_ones:
            return documents
        if time.monotonic() >= until:
            waits = open_ones[0].waits_for or "Is a worker running?"
            raise Unavailable(f"{len(open_ones)} files are not read yet. {waits}", code="still_in_progress")
        time.sleep(LOOK_SECONDS)


def _row(document: DocumentFacts) -> dict[str, Any]:
    return {
        "id": document.file_id,
        "filename": document.filename,
        "status": document.status,
        "passages": document.passages_total,
        "error": document.error_message,
    }
