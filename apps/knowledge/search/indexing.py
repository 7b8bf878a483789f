"""An index of vectors for each large store and model: a shared one would let stores spoil each other's recall."""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

from apps.knowledge.models import VectorStore

logger = logging.getLogger(__name__)
BUILDING = 0x696E6478  # an advisory lock of PostgreSQL: one connection at a time builds a store's indexes
LOOK_SECONDS = 1.0
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
NAMED = "SELECT indexname FROM pg_indexes WHERE tablename = 'knowledge_passagevector' AND indexname LIKE %s"


def index_large_stores() -> int:
    """Outside of any transaction: stores are filled and searched meanwhile. How many were indexed."""
    count = 0
    stores = VectorStore.objects.filter(
        deleted_at=None, is_indexed=False, passages__gte=settings.KNOWLEDGE_INDEX_FROM, dimensions__isnull=False
    )
    for store in stores:
        build_index(store.pk, store.embedding_model, int(store.dimensions or 0))
        VectorStore.objects.filter(pk=store.pk, embedding_model=store.embedding_model).update(is_indexed=True)
        logger.info("the vectors of %s have an index", store.public_id)
        count += 1
    return count


def build_index(store_id: int, model: str, dimensions: int) -> None:
    """Outside of any transaction; where there is none yet. That of a worker that was killed is built to its end by
    PostgreSQL: it is waited for, and begun anew only where it failed."""
    name = _name(store_id, model)
    with _alone(store_id), connection.cursor() as cursor:
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


def has_index(store_id: int, model: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_VALID, [_name(store_id, model)])
        found = cursor.fetchone()
    return bool(found and found[0])


def drop_index(store: VectorStore, *, model: str = "") -> None:
    """Of one model, or of all that the store ever had. Outside of any transaction."""
    with connection.cursor() as cursor:
        if model:
            names = [_name(store.pk, model)]
        else:
            cursor.execute(NAMED, [_of_store(store.pk).replace("_", r"\_") + "%"])
            names = [row[0] for row in cursor.fetchall()]
        for name in names:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _alone(store_id: int) -> Iterator[None]:
    """Asked for again and again: a statement that waits would be waited for by the building of the index itself."""
    key = [BUILDING, store_id % 2**31]
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            if cursor.fetchone()[0]:
                break
            time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _name(store_id: int, model: str) -> str:
    """As the migration 0004_reembedding names those that were there before."""
    return _of_store(store_id) + hashlib.md5(model.encode(), usedforsecurity=False).hexdigest()[:8]


def _of_store(store_id: int) -> str:
    return f"knowledge_vectors_of_{int(store_id)}_"
