"""What callers do with vector stores."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.common.errors import LimitExceeded
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts, ToAttach
from apps.knowledge.graph.forgetting import delete_graphs_of
from apps.knowledge.models import StoreFile, VectorStore
from apps.knowledge.selectors import own_store, store_facts
from apps.knowledge.services.documents import attach_to
from apps.knowledge.services.reembedding import choose_model, end_reembeddings

NOTED = timedelta(minutes=1)
ONE_ACCOUNT = 0x76656374  # an advisory lock of PostgreSQL: one new store of an account at a time is counted


@transaction.atomic
def create_store(
    *,
    key: KeyFacts,
    address: str,
    embedding_model: str,
    name: str = "",
    description: str = "",
    metadata: dict[str, str] | None = None,
    expires_days: int | None = None,
    files: Sequence[ToAttach] = (),
) -> StoreFacts:
    """Raises NotFound and Invalid for its files, LimitExceeded where the account has too many stores."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ONE_ACCOUNT, key.account_id])
    most = settings.KNOWLEDGE_MAX_STORES
    if VectorStore.objects.filter(account_id=key.account_id, deleted_at=None).count() >= most:
        message = f"This account has {most} vector stores, as many as it may; delete one that is not needed any more."
        raise LimitExceeded(message, code="too_many_vector_stores")
    now = timezone.now()
    row = VectorStore.objects.create(
        public_id=f"vs_{get_random_string(24)}",
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        name=name,
        description=description,
        metadata=metadata or {},
        embedding_model=embedding_model,
        expires_days=expires_days,
        last_active_at=now,
        expires_at=_expiry(now, expires_days),
    )
    attach_to(row, key=key, address=address, files=files)
    return store_facts([row])[0]


@transaction.atomic
def change_store(
    *,
    account_id: int,
    project_id: int,
    public_id: str,
    changes: dict[str, Any],
    model: str = "",
    key: KeyFacts | None = None,
    address: str = "",
) -> StoreFacts:
    """`changes`: any of name, description, metadata and expires_days. `model`: the embedding model that it is to have,
    paid by `key`, which may call it. Raises NotFound."""
    row = own_store(account_id, project_id, public_id)
    if model and key:
        choose_model(row, model=model, key=key, address=address)
    for field, value in changes.items():
        setattr(row, field, value)
    row.last_active_at = timezone.now()
    row.expires_at = _expiry(row.last_active_at, row.expires_days)
    row.save(update_fields=[*changes, "last_active_at", "expires_at"])
    return store_facts([row])[0]


def note_use(store: StoreFacts) -> None:
    """A search puts off a store's end; one a minute is enough for that, each would cost a commit."""
    now = timezone.now()
    if now - store.last_active_at >= NOTED:
        VectorStore.objects.filter(pk=store.id).update(last_active_at=now, expires_at=_expiry(now, store.expires_days))


@transaction.atomic
def delete_store(*, account_id: int, project_id: int, public_id: str) -> None:
    """No answer knows it from now on; what is in it is removed by and by. Raises NotFound."""
    _delete(own_store(account_id, project_id, public_id))


def delete_expired_stores() -> int:
    """How many there were. OpenAI shows them as expired; here a week later they are deleted."""
    past = timezone.now() - timedelta(days=settings.KNOWLEDGE_EXPIRED_DAYS)
    count = 0
    for row in VectorStore.objects.filter(expires_at__lte=past, deleted_at=None).iterator(chunk_size=100):
        with transaction.atomic():
            _delete(row)
        count += 1
    return count


def _delete(row: VectorStore) -> None:
    now = timezone.now()
    StoreFile.objects.filter(store=row, deleted_at=None).update(deleted_at=now)
    VectorStore.objects.filter(pk=row.pk).update(deleted_at=now)
    end_reembeddings(row)
    delete_graphs_of(row.pk)


def _expiry(since: Any, days: int | None) -> Any:
    return since + timedelta(days=days) if days else None
