"""Writes down when keys were last used: gateways note it in Redis, this moves it to PostgreSQL."""

from datetime import UTC, datetime

from celery import shared_task

from apps.common.redis import sync_redis
from apps.keys.services import note_last_use

LAST_USE = "art:last-use"


@shared_task(name="keys.note_last_use")
def note_last_use_task() -> None:
    store = sync_redis()
    if not store.exists(LAST_USE):
        return
    taken = f"{LAST_USE}:taken"
    if not store.exists(taken):
        store.rename(LAST_USE, taken)
    uses = {int(key): datetime.fromtimestamp(int(ms) / 1000, UTC) for key, ms in store.hgetall(taken).items()}
    note_last_use(uses=uses)
    store.delete(taken)
