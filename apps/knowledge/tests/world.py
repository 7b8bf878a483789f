"""What the tests of this room have in common: keys, documents, and vectors that need no model."""

import asyncio
import hashlib
import math
import re
from collections import Counter
from datetime import timedelta

from apps.common.redis import sync_redis
from apps.files.services import upload_file
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key
from apps.keys.tokens import token_hash
from apps.knowledge.contracts import Chunking, Hit, StoreFacts, ToAttach, ToEmbed, Wanted
from apps.knowledge.ingestion.run import LOCK
from apps.knowledge.reembedding.run import LOCK as REEMBEDDING_LOCK
from apps.knowledge.selectors import store_of_project
from apps.knowledge.services import attach, create_store, search
from apps.knowledge.services.running import run_waiting_documents, run_waiting_reembeddings

DIMENSIONS = 64
MODEL = "luna"
SMALL = Chunking(max_tokens=100, overlap=0, is_auto=False)


def make_key(account_id: int) -> KeyFacts:
    issued = create_key(account_id=account_id, project_slug="default", name="Reader", policy=KeyPolicy())
    facts = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert facts
    return facts


def vector_of(text: str) -> list[float]:
    """Each word points somewhere of its own: texts of the same words are near each other."""
    sums = [0.01] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        sums[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
    length = math.sqrt(sum(part * part for part in sums))
    return [part / length for part in sums]


def vector_by(model: str, text: str) -> list[float]:
    """Other models than the stores' usual one have other dimensions, and none of them the same ones."""
    return vector_of(text) if model == MODEL else [*vector_of(f"{model} {text}"), *vector_of(text)]


class Model:
    """Stands where the gateway's embeddings are, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[ToEmbed] = []

    async def __call__(self, wanted: ToEmbed) -> list[list[float]]:
        self.requests.append(wanted)
        return [vector_by(wanted.model, text) for text in wanted.texts]

    @property
    def texts(self) -> Counter[str]:
        return Counter(text for request in self.requests for text in request.texts)


def a_store(key: KeyFacts, name: str = "Moon") -> StoreFacts:
    return create_store(key=key, address="127.0.0.1", embedding_model=MODEL, name=name)


def a_file(key: KeyFacts, text: str | bytes, name: str = "notes.txt") -> str:
    content = text.encode() if isinstance(text, str) else text
    return upload_file(
        account_id=key.account_id,
        project_id=key.project_id,
        name=name,
        content=[content],
        size=len(content),
        lifetime=timedelta(days=1),
    ).public_id


def put(key: KeyFacts, store: StoreFacts, text: str | bytes, name: str = "notes.txt", **options: object) -> str:
    """A file with this text, attached; its id."""
    file_id = a_file(key, text, name)
    wanted = ToAttach(file_id=file_id, **{"chunking": SMALL, **options})  # type: ignore[arg-type]
    attach(key=key, address="127.0.0.1", store_id=store.public_id, file=wanted)
    return file_id


def read_all(model: Model | None = None, *, context: int | None = None) -> Model:
    """Reads what waits, as a worker does."""
    model = model or Model()
    sync_redis().delete(LOCK)
    asyncio.run(run_waiting_documents(model, lambda *, name: context, seconds=60))
    return model


def reembed_all(model: Model | None = None) -> Model:
    """Embeds anew what waits for it, as a worker does."""
    model = model or Model()
    sync_redis().delete(REEMBEDDING_LOCK)
    asyncio.run(run_waiting_reembeddings(model, seconds=60))
    return model


def found(key: KeyFacts, store: StoreFacts, query: str, **options: object) -> list[Hit]:
    now = store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)
    wanted = Wanted(**options)  # type: ignore[arg-type]
    return search(store=now, queries=[query], vectors=[vector_by(now.embedding_model, query)], wanted=wanted)
