"""Records consumption: events once each, and their sums by hour and day in the same transaction."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from math import inf
from time import monotonic
from typing import cast

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.common.redis import sync_redis
from apps.usage import recording
from apps.usage.contracts import UnpostedCharge
from apps.usage.models import UsageCharge

STREAM = "art:usage"
DEAD_STREAM = "art:usage:dead"
BATCH = 4000
ONE_DRAIN = 0x617274  # an advisory lock of PostgreSQL: one drain at a time
MONTHS_AHEAD = 3
UNRECORDABLE = (DataError, IntegrityError, ValueError)
logger = logging.getLogger(__name__)


@contextmanager
def no_drain() -> Iterator[None]:
    """Nothing is recorded while this is open."""
    with transaction.atomic():
        _take_the_drain(wait=True)
        yield


def _take_the_drain(*, wait: bool) -> bool:
    """Until the transaction ends; False where somebody else has it."""
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_DRAIN])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_DRAIN])
        return bool(cursor.fetchone()[0])


def drain_events(*, wait: bool = True, seconds: float = inf) -> int:
    """Moves what is in the stream into PostgreSQL; how many entries there were.

    Without `wait` what somebody else drains is left to them; after `seconds` the rest is left for the next time.
    """
    end = monotonic() + seconds
    drained = 0
    while count := _drain_batch(wait):
        drained += count
        if count < BATCH or monotonic() > end:
            break
    return drained


def _drain_batch(wait: bool) -> int:
    """An event leaves Redis only after PostgreSQL has committed it; one that cannot be recorded goes to a stream of
    its own, where staff find it, so that it does not hold up the others."""
    store = sync_redis()
    with transaction.atomic():
        if not _take_the_drain(wait=wait):
            return 0
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", store.xrange(STREAM, count=BATCH))
        if not entries:
            return 0
        dead = _record_all_but([fields.get(b"event", b"") for _, fields in entries])
    for event in dead:
        store.xadd(DEAD_STREAM, {"event": event})
    store.xdel(STREAM, *(entry_id for entry_id, _ in entries))
    return len(entries)


def _record_all_but(events: Sequence[bytes]) -> Sequence[bytes]:
    """Records all that can be; what cannot. It is looked for by halves."""
    try:
        record_events(events=events)
        return []
    except UNRECORDABLE:
        if len(events) == 1:
            logger.exception("a usage event cannot be recorded; it is kept apart")
            return events
    middle = len(events) // 2
    return [*_record_all_but(events[:middle]), *_record_all_but(events[middle:])]


@transaction.atomic
def record_events(*, events: Iterable[str | bytes]) -> int:
    """Writes events (JSON, as the gateway settles them) and adds the new ones to the rollups; the number of new ones.

    An event whose request id is already there changes nothing, so that a batch can be recorded again.
    """
    # One worker drains at a time (ONE_DRAIN); the key of usage_usagerequest holds should there ever be two.
    new = recording.write({event.request_id: event for event in map(recording.read_event, events)}.values())
    connection.check_constraints()  # now, not when the whole drain is committed: one bad event must not undo it
    return new


def record_late(*, events: Sequence[bytes]) -> Sequence[bytes]:
    """Past the stream, for who cannot leave them there; those that cannot be recorded."""
    with no_drain():
        return _record_all_but(events)


def make_months(*, today: date | None = None) -> int:
    """Makes the tables of events of this month and of those to come, where they are not there; how many were made.

    Events of a month without a table stand in a default one, and move when theirs is made.
    """
    day = (today or timezone.now().date()).replace(day=1)
    made = 0
    for ahead in range(MONTHS_AHEAD + 1):
        years, month = divmod(day.month - 1 + ahead, 12)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")  # who reads and writes events goes first
            cursor.execute("SELECT usage_make_month(%s)", [date(day.year + years, month + 1, 1)])
            made += bool(cursor.fetchone()[0])
    return made


def claim_unposted(*, account_id: int, before: datetime) -> list[UnpostedCharge]:
    """What the ledger lacks of an account's use in the hours before this one; locked until the transaction ends."""
    rows = UsageCharge.objects.filter(~Q(cost=F("posted")), account_id=account_id, hour__lt=before)
    return [
        UnpostedCharge(id=row.pk, hour=row.hour, model=row.model, cost=row.cost - row.posted)
        for row in rows.select_for_update().order_by("hour", "pk")
    ]


def mark_posted(*, charges: Iterable[UnpostedCharge]) -> None:
    """To be called in the transaction that claimed them, and so keeps them as they are, and posts them."""
    UsageCharge.objects.filter(pk__in=[charge.id for charge in charges]).update(posted=F("cost"))
