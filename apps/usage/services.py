"""Records consumption: events once each, and their sums by hour and day in the same transaction."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F, Q

from apps.common.moments import hour_of
from apps.common.redis import sync_redis
from apps.usage.contracts import UnpostedCharge
from apps.usage.models import UsageCharge, UsageDay, UsageEvent, UsageHour

STREAM = "art:usage"
DEAD_STREAM = "art:usage:dead"
BATCH = 1000
ONE_DRAIN = 0x617274  # an advisory lock of PostgreSQL: one drain at a time
UNRECORDABLE = (DataError, IntegrityError, ValueError, TypeError, KeyError, AttributeError)
logger = logging.getLogger(__name__)
_OF_EVENT = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "searches", "cost")
_COUNTS = ("requests", "failed_requests", *_OF_EVENT)


@contextmanager
def no_drain() -> Iterator[None]:
    """Nothing is recorded while this is open."""
    with transaction.atomic():
        _take_the_drain()
        yield


def _take_the_drain() -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_DRAIN])


def drain_events() -> int:
    """Moves what is in the stream into PostgreSQL; how many entries there were."""
    drained = 0
    while count := _drain_batch():
        drained += count
        if count < BATCH:
            break
    return drained


def _drain_batch() -> int:
    """An event leaves Redis only after PostgreSQL has committed it; one that cannot be recorded goes to a stream of
    its own, where staff find it, so that it does not hold up the others."""
    store = sync_redis()
    with transaction.atomic():
        _take_the_drain()
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", store.xrange(STREAM, count=BATCH))
        entries = [(entry_id, fields.get(b"event", b"").decode()) for entry_id, fields in found]
        if not entries:
            return 0
        try:
            record_events(events=[event for _, event in entries])
            dead = []
        except UNRECORDABLE:
            dead = _record_one_by_one(entries)
    for _, event in dead:
        store.xadd(DEAD_STREAM, {"event": event})
    store.xdel(STREAM, *(entry_id for entry_id, _ in entries))
    return len(entries)


def _record_one_by_one(entries: list[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    dead = []
    for entry_id, event in entries:
        try:
            record_events(events=[event])
        except UNRECORDABLE:
            logger.exception("a usage event cannot be recorded; it is kept in %s", DEAD_STREAM)
            dead.append((entry_id, event))
    return dead


@transaction.atomic
def record_events(*, events: Sequence[str]) -> int:
    """Writes events (JSON, as the gateway settles them) and adds the new ones to the rollups; the number of new ones.

    An event whose request id is already there changes nothing, so that a batch can be recorded again.
    """
    rows = {row.request_id: row for row in map(_event, events)}
    known = set(UsageEvent.objects.filter(request_id__in=rows).values_list("request_id", flat=True))
    # One worker drains at a time (ONE_DRAIN); the unique index holds should there ever be two.
    new = [row for request_id, row in rows.items() if request_id not in known]
    UsageEvent.objects.bulk_create(new)
    connection.check_constraints()  # now, not when the whole drain is committed: one bad event must not undo it
    for rollup in ROLLUPS:
        _add(rollup, new)
    return len(new)


def _event(text: str) -> UsageEvent:
    fields = json.loads(text)
    return UsageEvent(
        account_id=fields.pop("account"),
        project_id=fields.pop("project"),
        api_key_id=fields.pop("key"),
        price_version_id=fields.pop("price_version"),
        started_at=datetime.fromisoformat(fields.pop("started_at")),
        **fields,
    )


def _add(rollup: "Rollup", events: Iterable[UsageEvent]) -> None:
    """One statement a group; groups in order, so that two writers never wait for each other in a circle."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    for event in events:
        counts = (1, int(event.outcome == "failed"), *(getattr(event, name) for name in _OF_EVENT))
        group = rollup.group(event)
        sums[group] = [total + count for total, count in zip(sums[group], counts, strict=True)]
    columns = (*rollup.columns, *_COUNTS)
    table = rollup.table
    updates = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in _COUNTS)
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(rollup.unique)}) DO UPDATE SET {updates}"
    )
    with connection.cursor() as cursor:
        rows = sorted(sums.items(), key=lambda row: [(value is not None, value) for value in row[0]])
        cursor.executemany(statement, [(*group, *counts) for group, counts in rows])


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table of sums: by which columns, which of these make a row unique, and what they are of an event."""

    table: str
    columns: tuple[str, ...]
    unique: tuple[str, ...]
    group: Callable[[UsageEvent], tuple[Any, ...]]


ROLLUPS = (
    Rollup(
        UsageHour._meta.db_table,
        ("account_id", "project_id", "api_key_id", "model", "hour"),
        ("api_key_id", "model", "hour"),
        lambda event: (event.account_id, event.project_id, event.api_key_id, event.model, hour_of(event.started_at)),
    ),
    Rollup(
        UsageDay._meta.db_table,
        ("account_id", "project_id", "api_key_id", "model", "day"),
        ("api_key_id", "model", "day"),
        lambda event: (event.account_id, event.project_id, event.api_key_id, event.model, event.started_at.date()),
    ),
    Rollup(
        UsageCharge._meta.db_table,
        ("account_id", "hour", "model", "price_version_id", "service_tier"),
        ("account_id", "hour", "model", "price_version_id", "service_tier"),
        lambda event: (
            event.account_id,
            hour_of(event.started_at),
            event.model,
            event.price_version_id,
            event.service_tier,
        ),
    ),
)


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
