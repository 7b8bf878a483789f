"""An index of vectors for each large store and model: a shared one would let stores spoil each other's recall."""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from apps.knowledge.models import VectorStore

logger = logging.getLogger(__name__)
BUILDING = 0x696E6478  # an advisory lock of PostgreSQL: one connection at a time builds or drops an index of vectors
LOOK_SECONDS, PATIENCE_SECONDS = 1.0, 20.0
MOST_DIMENSIONS = 4_000  # that pgvector indexes; a store of more is compared vector by vector
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
NAMED = "SELECT indexname FROM pg_indexes WHERE tablename = 'knowledge_passagevector' AND indexname LIKE %s"


def index_large_stores() -> int:
    """Outside of any transaction: stores are filled and searched meanwhile. How many were indexed."""
    count = 0
    stores = VectorStore.objects.filter(
        deleted_at=None,
        is_indexed=False,
        passages__gte=settings.KNOWLEDGE_INDEX_FROM,
        dimensions__lte=MOST_DIMENSIONS,
    )
    for store in stores:
        if not build_index(store.pk, store.embedding_model, int(store.dimensions or 0)):
            break
        VectorStore.objects.filter(pk=store.pk, embedding_model=store.embedding_model).update(is_indexed=True)
        logger.info("the vectors of %s have an index", store.public_id)
        count += 1
    return count


def build_index(store_id: int, model: str, dimensions: int) -> bool:
    """Outside of any transaction; where there is none yet. That of a worker that was killed is built to its end by
    PostgreSQL: it is waited for, and begun anew only where it failed. False where another index is built meanwhile."""
    name = _name(store_id, model)
    with _alone() as is_alone, connection.cursor() as cursor:
        if not is_alone:
            return False
        cursor.execute(IS_VALID, [name])
        found = cursor.fetchone()
        if found and not found[0]:
            cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
        if not found or not found[0]:
            literal = model.replace("'", "''")
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON knowledge_passagevector USING hnsw"
                f" ((embedding::halfvec({dimensions})) halfvec_cosine_ops)"
                f" WHERE store_id = {int(store_id)} AND model = '{literal}'"
            )
    return True


def has_index(store_id: int, model: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_VALID, [_name(store_id, model)])
        found = cursor.fetchone()
    return bool(found and found[0])


def drop_index(store: VectorStore, *, model: str = "") -> bool:
    """Of one model, or of all that the store ever had. Outside of any transaction. False where another index is built
    meanwhile."""
    with _alone() as is_alone, connection.cursor() as cursor:
        if not is_alone:
            return False
        if model:
            names = [_name(store.pk, model)]
        else:
            cursor.execute(NAMED, [_of_store(store.pk).replace("_", r"\_") + "%"])
            names = [row[0] for row in cursor.fetchall()]
        for name in names:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return True


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else builds or drops one: two at one table would wait for each other in a ring.

    Asked for again and again: a statement that waits would be waited for by the building of the index itself.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while not (is_alone := _taken(cursor)) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [BUILDING])


def _taken(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [BUILDING])
    return bool(cursor.fetchone()[0])


def _name(store_id: int, model: str) -> str:
    """As the migration 0004_reembedding names those that were there before."""
    return _of_store(store_id) + hashlib.md5(model.encode(), usedforsecurity=False).hexdigest()[:8]


def _of_store(store_id: int) -> str:
    return f"knowledge_vectors_of_{int(store_id)}_"
