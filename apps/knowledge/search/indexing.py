"""An index of vectors for each large store: a shared one would let stores spoil each other's recall."""

import logging

from django.conf import settings
from django.db import connection

from apps.knowledge.models import VectorStore

logger = logging.getLogger(__name__)
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def index_large_stores() -> int:
    """Outside of any transaction: stores are filled and searched meanwhile. How many were indexed."""
    count = 0
    stores = VectorStore.objects.filter(
        deleted_at=None, is_indexed=False, passages__gte=settings.KNOWLEDGE_INDEX_FROM, dimensions__isnull=False
    )
    for store in stores:
        with connection.cursor() as cursor:
            cursor.execute(IS_VALID, [_name(store)])
            found = cursor.fetchone()
            if found and not found[0]:  # of a worker that was killed
                cursor.execute(f"DROP INDEX CONCURRENTLY {_name(store)}")
                found = None
            if not found:
                model = store.embedding_model.replace("'", "''")
                cursor.execute(
                    f"CREATE INDEX CONCURRENTLY {_name(store)} ON knowledge_passagevector USING hnsw"
                    f" ((embedding::halfvec({int(store.dimensions or 0)})) halfvec_cosine_ops)"
                    f" WHERE store_id = {store.pk} AND model = '{model}'"
                )
        VectorStore.objects.filter(pk=store.pk).update(is_indexed=True)
        logger.info("the vectors of %s have an index", store.public_id)
        count += 1
    return count


def drop_index(store: VectorStore) -> None:
    """Outside of any transaction."""
    if store.is_indexed:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_name(store)}")


def _name(store: VectorStore) -> str:
    return f"knowledge_vectors_of_{store.pk}"
