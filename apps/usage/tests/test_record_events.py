"""Events are recorded once each; their sums are those of the rollups; nothing changes them afterwards."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.redis import sync_redis
from apps.keys.models import ApiKey
from apps.usage.models import UsageCharge, UsageDay, UsageEndUserDay, UsageEvent, UsageHour
from apps.usage.services import BATCH, DEAD_STREAM, ONE_DRAIN, STREAM, drain_events, record_events

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SUMS = ("input_tokens", "cached_input_tokens", "output_tokens", "cost")


@pytest.fixture(autouse=True)
def _empty_streams() -> Iterator[None]:
    sync_redis().delete(STREAM, DEAD_STREAM)
    yield
    sync_redis().delete(STREAM, DEAD_STREAM)


def event(key: ApiKey, request_id: str, **fields: Any) -> str:
    known = {
        "request_id": request_id,
        "account": key.account_id,
        "project": key.project_id,
        "key": key.pk,
        "model": "moon",
        "deployment": "moon-a",
        "endpoint": "chat.completions",
        "outcome": "completed",
        "error_code": "",
        "streamed": False,
        "price_version": None,
        "input_tokens": 10,
        "cached_input_tokens": 4,
        "output_tokens": 5,
        "estimated": False,
        "cost": 1234,
        "end_user": "",
        "started_at": NOON.isoformat(),
        "duration_ms": 7,
        "first_token_ms": None,
    }
    return json.dumps(known | fields)


def test_the_same_batch_twice_counts_once(key: ApiKey) -> None:
    batch = [event(key, f"req_{number}") for number in range(5)]
    assert record_events(events=batch) == 5
    assert record_events(events=batch) == 0
    assert record_events(events=[*batch, event(key, "req_new"), event(key, "req_new")]) == 1
    hour = UsageHour.objects.get()
    assert (hour.requests, hour.cost, hour.input_tokens) == (6, 6 * 1234, 60)
    assert UsageDay.objects.get().requests == UsageEvent.objects.count() == 6


def test_an_event_says_what_it_was_priced_as(key: ApiKey) -> None:
    """One of a gateway that knows no tiers was priced as usual."""
    record_events(events=[event(key, "req_live"), event(key, "req_batch", service_tier="batch")])
    assert dict(UsageEvent.objects.values_list("request_id", "service_tier")) == {
        "req_live": "default",
        "req_batch": "batch",
    }


minutes = st.integers(-3000, 3000)
batches = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            minutes,
            st.sampled_from(["moon", "mars"]),
            st.sampled_from(["completed", "failed", "cancelled"]),
            st.integers(0, 10**6),
            st.integers(0, 10**12),
            st.sampled_from(["", "ann", "ben"]),
        ),
        max_size=8,
    ),
    max_size=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_rollups_are_the_sums_of_the_events(key: ApiKey, some: list[list[tuple[Any, ...]]]) -> None:
    """Whatever comes in whatever batches, twice or out of order."""
    with transaction.atomic():
        for batch in some:
            record_events(
                events=[
                    event(
                        key,
                        f"req_{number}",
                        started_at=(NOON + timedelta(minutes=minute)).isoformat(),
                        model=model,
                        outcome=outcome,
                        input_tokens=tokens,
                        cost=cost,
                        end_user=end_user,
                    )
                    for number, minute, model, outcome, tokens, cost, end_user in batch
                ]
            )
        events = list(UsageEvent.objects.all())
        assert len(events) == len({number for batch in some for number, *_ in batch})
        named = [one for one in events if one.end_user]
        for rollup, of in ((UsageHour, events), (UsageDay, events), (UsageCharge, events), (UsageEndUserDay, named)):
            sums = rollup.objects.aggregate(**{name: Sum(name) for name in ("requests", "failed_requests", *SUMS)})
            assert (sums["requests"] or 0) == len(of)
            assert (sums["failed_requests"] or 0) == sum(one.outcome == "failed" for one in of)
            for name in SUMS:
                assert (sums[name] or 0) == sum(getattr(one, name) for one in of)
        for hour in UsageHour.objects.all():
            within = [
                one
                for one in events
                if hour.hour <= one.started_at < hour.hour + timedelta(hours=1) and one.model == hour.model
            ]
            assert hour.cost == sum(one.cost for one in within)
        for day in UsageEndUserDay.objects.all():
            its = [one for one in named if (one.end_user, one.model) == (day.end_user, day.model)]
            assert day.cost == sum(one.cost for one in its if one.started_at.date() == day.day)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_recorded_goes_where_staff_find_it(key: ApiKey) -> None:
    """And holds up nothing else: not what stands before it, not what comes after."""
    poison = [
        "not JSON",
        "5",
        "[]",
        "{}",
        event(key, "req_a", surprise=1),
        event(key, "req_b", started_at="yesterday"),
        event(key, "req_c", input_tokens=-1),
        event(key, "req_d", input_tokens=10**12),
        event(key, "req_e", account=10**9),
        event(key, "req_f", price_version=10**9),
        event(key, "req_g", error_code="x" * 61),
        event(key, "req_h", end_user="a\0b"),
        event(key, "req_i", cost=10**30),
        event(key, "x" * 65),
        b'"\xff"',
    ]
    store = sync_redis()
    store.xadd(STREAM, {"event": event(key, "req_before")})
    for one in poison:
        store.xadd(STREAM, {"event": one})
    store.xadd(STREAM, {"moon": "1"})
    store.xadd(STREAM, {"event": event(key, "req_after")})

    drain_events()
    assert set(UsageEvent.objects.values_list("request_id", flat=True)) == {"req_before", "req_after"}
    assert store.xlen(STREAM) == 0
    dead = [fields[b"event"] for _, fields in store.xrange(DEAD_STREAM)]
    assert dead == [*(one.encode() if isinstance(one, str) else one for one in poison), b""]
    assert UsageHour.objects.get().requests == 2
    drain_events()
    assert store.xlen(DEAD_STREAM) == len(dead)


def test_many_events_are_drained_at_once(key: ApiKey) -> None:
    pipeline = sync_redis().pipeline()
    many = 2 * BATCH + 100
    for number in range(many):
        pipeline.xadd(STREAM, {"event": event(key, f"req_{number}")})
    pipeline.execute()
    assert drain_events() == many
    assert UsageHour.objects.get().requests == many


def test_what_somebody_else_drains_is_left_to_them(key: ApiKey) -> None:
    sync_redis().xadd(STREAM, {"event": event(key, "req_1")})
    other = connection.copy()
    try:
        other.cursor().execute("SELECT pg_advisory_lock(%s)", [ONE_DRAIN])
        assert drain_events(wait=False) == 0
        assert sync_redis().xlen(STREAM) == 1
    finally:
        other.cursor().execute("SELECT pg_advisory_unlock(%s)", [ONE_DRAIN])
        other.close()
    assert drain_events(wait=False) == 1


def test_a_drain_whose_time_is_over_leaves_the_rest_to_the_next(key: ApiKey) -> None:
    pipeline = sync_redis().pipeline()
    for number in range(BATCH + 1):
        pipeline.xadd(STREAM, {"event": event(key, f"req_{number}")})
    pipeline.execute()
    assert [drain_events(seconds=0) for _ in range(3)] == [BATCH, 1, 0]
    assert UsageHour.objects.get().requests == BATCH + 1


@pytest.mark.parametrize("statement", ["UPDATE usage_usageevent SET cost = 0", "DELETE FROM usage_usageevent"])
def test_an_event_can_be_neither_changed_nor_deleted(key: ApiKey, statement: str) -> None:
    record_events(events=[event(key, "req_1")])
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert UsageEvent.objects.get().cost == 1234
