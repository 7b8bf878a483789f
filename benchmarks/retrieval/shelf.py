"""An account with a vector store, filled and searched by the platform's own code."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

from apps.accounts.models import User
from apps.accounts.services import create_account
from apps.common.redis import sync_redis
from apps.files.services import upload_file
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_key, facts_of_secret, keys_of_account
from apps.keys.services import create_key
from apps.keys.tokens import token_hash
from apps.knowledge.contracts import Chunking, Embed, Hit, StoreFacts, ToAttach, ToEmbed, Wanted
from apps.knowledge.ingestion.run import LOCK
from apps.knowledge.selectors import has_waiting_documents, stores_by_name
from apps.knowledge.services import attach_batch, create_store, search
from apps.knowledge.services.running import run_waiting_documents
from benchmarks.retrieval.collection import Collection, read_collection
from benchmarks.retrieval.embedding import Embeddings

ADDRESS, MODEL, SECONDS = "127.0.0.1", "EMBEDDING_MODEL", 3600.0
WHOLE = Chunking(max_tokens=4096, overlap=0, is_auto=False)
FILES = 500  # attached together


@cache
def embeddings() -> Embeddings:
    return Embeddings(os.environ["EMBEDDINGS_URL"], os.environ[MODEL], kept=Path(os.environ["EMBEDDINGS_KEPT"]))


@cache
def collection() -> Collection:
    return read_collection(Path(os.environ["COLLECTION"]))


async def embed(wanted: ToEmbed) -> list[list[float]]:
    return await asyncio.to_thread(embeddings().of, wanted.texts)


def make_store(name: str) -> tuple[KeyFacts, StoreFacts]:
    owner = User.objects.create(email=f"{name}@example.com")
    account = create_account(name=name, owner_id=owner.pk)
    issued = create_key(account_id=account.id, project_slug="default", name="Reader", policy=KeyPolicy())
    key = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert key
    return key, create_store(key=key, address=ADDRESS, embedding_model=os.environ[MODEL], name=name)


def the_store(name: str) -> StoreFacts:
    """As it is now."""
    account = User.objects.get(email=f"{name}@example.com").memberships.get().account_id
    return stores_by_name(account_id=account, name=name)[0]


def key_of(store: StoreFacts) -> KeyFacts:
    return facts_of_key(
        account_id=store.account_id, public_id=keys_of_account(account_id=store.account_id)[0].public_id
    )


def put(key: KeyFacts, store: StoreFacts, files: dict[str, bytes], chunking: Chunking = WHOLE) -> None:
    for names in _blocks(list(files)):
        wanted = []
        for name in names:
            file = upload_file(
                account_id=key.account_id,
                project_id=key.project_id,
                name=name,
                content=[files[name]],
                size=len(files[name]),
                lifetime=timedelta(days=1),
            )
            wanted.append(ToAttach(file_id=file.public_id, chunking=chunking))
        attach_batch(key=key, address=ADDRESS, store_id=store.public_id, files=wanted)


def read_all(by: Embed) -> None:
    """As a worker does, but that a passage is as long as its caller wants it: what the model cuts off is cut off."""
    while has_waiting_documents():
        sync_redis().delete(LOCK)
        asyncio.run(run_waiting_documents(by, lambda *, name: None, seconds=SECONDS))


def found(store: StoreFacts, question: str, wanted: Wanted) -> list[Hit]:
    return search(store=store, queries=[question], vectors=embeddings().of([question]), wanted=wanted)


def _blocks(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), FILES):
        yield names[start : start + FILES]
