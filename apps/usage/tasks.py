"""Drains the gateways' stream of events into PostgreSQL."""

import logging

from celery import shared_task
from django.db import connection, transaction

from apps.common.redis import sync_redis
from apps.usage.services import record_events

STREAM = "art:usage"
BATCH = 1000
ONE_DRAIN = 0x617274  # an advisory lock of PostgreSQL: one drain at a time
logger = logging.getLogger(__name__)


@shared_task(name="usage.drain_events")
def drain_events() -> None:
    """Moves what is in the stream. An event leaves Redis only after PostgreSQL has committed it."""
    while drain_batch() == BATCH:
        pass


def drain_batch() -> int:
    store = sync_redis()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_DRAIN])
            if not cursor.fetchone()[0]:
                return 0
        entries = store.xrange(STREAM, count=BATCH)
        if entries:
            record_events(events=[fields[b"event"].decode() for _, fields in entries])
    if entries:
        store.xdel(STREAM, *(entry_id for entry_id, _ in entries))
    return len(entries)
