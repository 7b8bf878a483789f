"""Events stand by month, none is refused, each request is recorded once for ever, and all are as they were written."""

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from apps.keys.models import ApiKey
from apps.usage.models import UsageDay, UsageEndUserDay, UsageEvent, UsageHour, UsageRequest
from apps.usage.selectors import recorded_requests, requests_by_prefix, totals_with_errands
from apps.usage.services import make_months, record_events
from apps.usage.tests.test_record_events import event

LATEST = "0009_rollups_by_tier"
FAR = datetime(2041, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)


def tables() -> dict[str, str]:
    """Which table each request stands in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id, tableoid::regclass::text FROM usage_usageevent")
        return dict(cursor.fetchall())


def test_each_month_has_a_table_and_what_has_none_is_kept_all_the_same(key: ApiKey) -> None:
    make_months(today=date(2040, 11, 30))
    moments = {
        "last": "2040-10-31T23:59:59.999999+00:00",
        "first": "2040-11-01T00:00:00+00:00",
        "elsewhere": "2040-11-30T23:30:00-05:00",
        "new_year": "2041-02-28T23:59:59+00:00",
        "far": FAR.isoformat(),
        "long_ago": "1971-01-01T00:00:00+00:00",
    }
    assert record_events(events=[event(key, name, started_at=moment) for name, moment in moments.items()]) == 6
    assert {name: table.removeprefix("usage_usageevent_") for name, table in tables().items()} == {
        "last": "default",
        "first": "2040_11",
        "elsewhere": "2040_12",
        "new_year": "2041_02",
        "far": "default",
        "long_ago": "default",
    }


def test_the_months_to_come_are_made_once(db: None) -> None:
    assert [make_months(today=date(2050, 12, 31)) for _ in range(2)] == [4, 0]
    assert make_months(today=date(2051, 1, 1)) == 1
    assert make_months() == 0  # those of today are made when the database is


def test_what_came_before_its_month_was_made_moves_into_it(key: ApiKey) -> None:
    record_events(
        events=[
            event(key, "far", started_at=FAR.isoformat()),
            event(key, "long_ago", started_at="1971-01-01T00:00:00Z"),
        ]
    )
    before = UsageEvent.objects.values().get(request_id="far")
    make_months(today=date(2041, 2, 5))
    assert {name: table[-7:] for name, table in tables().items()} == {"far": "2041_03", "long_ago": "default"}
    assert UsageEvent.objects.values().get(request_id="far") == before
    assert record_events(events=[event(key, "far", started_at=FAR.isoformat())]) == 0
    for table in ("usage_usageevent_2041_03", "usage_usageevent_default"):
        refused(f"DELETE FROM {table}", "append-only")


def refused(statement: str, why: str) -> None:
    with pytest.raises(IntegrityError, match=why), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("moment", ["2026-11-23T12:00:00Z", "2026-12-01T00:00:00Z", "2041-01-01T00:00:00Z"])
def test_a_request_is_recorded_once_whatever_month_it_says_that_it_is_of(key: ApiKey, moment: str) -> None:
    """As where two machines ran the same try of a background response, and the first one's settlement comes later."""
    assert record_events(events=[event(key, "req_1", cost=5)]) == 1
    assert record_events(events=[event(key, "req_1", cost=7, started_at=moment), event(key, "req_2")]) == 1
    assert UsageEvent.objects.get(request_id="req_1").cost == 5
    assert UsageHour.objects.get().cost == 5 + 1234
    columns = [field.column for field in UsageEvent._meta.concrete_fields if field.column not in ("id", "started_at")]
    names = ", ".join(columns)
    for table in ("usage_usageevent", "usage_usageevent_default"):
        copied = f"INSERT INTO {table} ({names}, started_at) SELECT {names}, '2042-01-01' FROM usage_usageevent"
        refused(copied, "usage_usagerequest_pkey")


def test_requests_are_found_in_all_months(key: ApiKey) -> None:
    moments = ["2026-11-23T12:00:00Z", "2026-12-01T00:00:00Z", "2041-01-01T00:00:00Z"]
    record_events(events=[event(key, f"req_a_{n}", started_at=moment) for n, moment in enumerate(moments)])
    record_events(events=[event(key, "req_b", outcome="failed")])
    found = requests_by_prefix(account_id=key.account_id, prefix="req_a_")
    assert sorted(found) == [(f"req_a_{n}", "completed") for n in range(3)]
    assert requests_by_prefix(account_id=key.account_id + 1, prefix="req_") == []
    assert recorded_requests(request_ids=["req_a_2", "req_b", "req_c"]) == {"req_a_2", "req_b"}
    assert recorded_requests(request_ids=["req_a_1", "req_a_"]) == {"req_a_1"}


def test_a_request_is_summed_with_those_that_were_made_for_it(key: ApiKey) -> None:
    record_events(events=[event(key, "req_c_fs0", cost=2), event(key, "req_cd", cost=90), event(key, "req_b", cost=80)])
    asked = {"account_id": key.account_id, "request_id": "req_c"}
    assert totals_with_errands(**asked) is None, "it is not recorded yet"
    record_events(events=[event(key, "req_c", cost=5)])
    found = totals_with_errands(**asked)
    assert found is not None and (found.requests, found.cost) == (2, 7)
    assert totals_with_errands(account_id=key.account_id + 1, request_id="req_c") is None


@pytest.mark.parametrize("what", ["UPDATE {} SET cost = 0", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["usage_usageevent_2040_01", "usage_usageevent_default"])
def test_the_table_of_a_month_refuses_changes_too(key: ApiKey, what: str, table: str) -> None:
    make_months(today=date(2040, 1, 1))
    record_events(
        events=[
            event(key, "new", started_at="2040-01-31T00:00:00Z"),
            event(key, "odd", started_at="1971-01-01T00:00:00Z"),
        ]
    )
    refused(what.format(table), "append-only")


@pytest.mark.parametrize("what", ["UPDATE usage_usagerequest SET request_id = 'x'", "DELETE FROM usage_usagerequest"])
def test_no_request_is_forgotten(key: ApiKey, what: str) -> None:
    record_events(events=[event(key, "req_1")])
    refused(what, "append-only")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_when_the_months_are_made(key: ApiKey) -> None:
    """From the table that there was before, and back."""
    moments = [
        "1999-12-31T23:59:59Z",
        "2026-10-31T23:59:59Z",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:30:00Z",
        FAR.isoformat(),
    ]
    _migrate("0006_reasoning_and_searches")
    try:
        with connection.cursor() as cursor:
            for number, moment in enumerate(moments):
                cursor.execute(
                    "INSERT INTO usage_usageevent (request_id, account_id, project_id, api_key_id, model, deployment, "
                    "endpoint, outcome, error_code, streamed, input_tokens, cached_input_tokens, output_tokens, "
                    "estimated, cost, end_user, started_at, duration_ms) VALUES (%s, %s, %s, %s, 'moon', '', 'chat', "
                    "'completed', '', false, 1, 0, 1, false, 10, %s, %s, 5)",
                    [f"req_{number}", key.account_id, key.project_id, key.pk, "ann" if number else "", moment],
                )
            cursor.execute("SELECT * FROM usage_usageevent ORDER BY id")
            before = cursor.fetchall()
        _migrate(LATEST)
        assert {table.removeprefix("usage_usageevent_") for table in tables().values()} == {
            *("1999_12", "2026_10", "2026_11", "2041_03")
        }
        assert _rows() == before
        assert set(UsageRequest.objects.values_list("pk", flat=True)) == {f"req_{n}" for n in range(5)}
        sums = UsageEndUserDay.objects.order_by("day").values_list("end_user", "day", "requests", "cost")
        assert list(sums) == [
            ("ann", date(2026, 10, 31), 1, 10),
            ("ann", date(2026, 11, 23), 2, 20),
            ("ann", date(2041, 3, 31), 1, 10),
        ]
        assert record_events(events=[event(key, "req_0"), event(key, "new")]) == 1
        assert UsageEvent.objects.get(request_id="new").pk > max(row[0] for row in before)
        _migrate("0006_reasoning_and_searches")
        assert _rows()[:5] == before
    finally:
        _migrate(LATEST)
    assert UsageRequest.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_sums_come_to_know_their_tier(key: ApiKey) -> None:
    """As they would be had they always known it, and back."""
    events = [
        event(key, "now", cost=5),
        event(key, "batch", cost=7, service_tier="batch", outcome="failed"),
        event(key, "again", cost=9, service_tier="batch", input_tokens=11, searches=1, reasoning_tokens=3),
        event(key, "moon", cost=9, service_tier="batch", model="sun"),
        event(key, "other", cost=6, started_at="2026-11-25T12:00:00Z"),
    ]
    record_events(events=events)
    by_tier = _sums(UsageHour), _sums(UsageDay)
    assert [len(rows) for rows in by_tier] == [4, 4]
    _migrate("0008_end_users")
    try:
        with connection.cursor() as cursor:
            for table in ("usage_usagehour", "usage_usageday"):
                cursor.execute(f"SELECT requests, failed_requests, cost FROM {table} ORDER BY cost")
                assert cursor.fetchall() == [(1, 0, 6), (1, 0, 9), (3, 1, 21)]
    finally:
        _migrate(LATEST)
    assert (_sums(UsageHour), _sums(UsageDay)) == by_tier


def _sums(rollup: type[UsageHour | UsageDay]) -> list[dict[str, object]]:
    rows = rollup.objects.order_by("model", "service_tier", "cost").values()
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def _rows() -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM usage_usageevent ORDER BY id")
        return list(cursor.fetchall())


def _migrate(name: str) -> None:
    MigrationExecutor(connection).migrate([("usage", name)])
