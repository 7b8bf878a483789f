"""Sums of a span are of its hours, wherever it begins and ends; those of whole days are read from the days."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from apps.keys.models import ApiKey
from apps.usage.selectors import recent_requests, shares, totals_of_account
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
COSTS = {-25: 1, -1: 10, 0: 100, 1: 1000, 23: 10_000, 24: 100_000}
"""Of one request half an hour after so many hours from midnight."""


@pytest.fixture(autouse=True)
def _used(key: ApiKey) -> None:
    record_events(
        events=[
            event(
                key, f"req_{hours}", cost=cost, started_at=(MIDNIGHT + timedelta(hours=hours, minutes=30)).isoformat()
            )
            for hours, cost in COSTS.items()
        ]
    )


@pytest.mark.parametrize(
    ("begin", "end", "cost"),
    [
        (0, None, 111_100),
        (0, 24, 11_100),
        (-24, 0, 10),
        (1, None, 111_000),
        (0, 23, 1100),
        (-1, 24, 11_110),
        (0, 0, 0),
    ],
)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_the_sums_of_a_span(key: ApiKey, begin: int, end: int | None, cost: int, zone: timezone) -> None:
    since = (MIDNIGHT + timedelta(hours=begin)).astimezone(zone)
    until = None if end is None else (MIDNIGHT + timedelta(hours=end)).astimezone(zone)
    assert totals_of_account(account_id=key.account_id, since=since, until=until).cost == cost
    if until is None:
        (share,) = shares(account_id=key.account_id, since=since, group_by="model")
        assert share.totals.cost == cost


def test_the_log_of_a_model_by_a_key(key: ApiKey) -> None:
    filters = {"key_public_id": key.public_id, "model": "mars"}
    assert recent_requests(account_id=key.account_id, **filters) == []
    moments = {"a": "2026-11-22T00:00:00Z", "b": "2026-11-23T23:59:59.999999Z"}
    record_events(events=[event(key, name, model="mars", started_at=at) for name, at in moments.items()])
    assert [row.request_id for row in recent_requests(account_id=key.account_id, **filters)] == ["b", "a"]
    assert [row.request_id for row in recent_requests(account_id=key.account_id, since=MIDNIGHT, **filters)] == ["b"]
    assert recent_requests(account_id=key.account_id + 1, **filters) == []
