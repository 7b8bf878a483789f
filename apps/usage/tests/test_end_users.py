"""What each end user of an account's applications cost, by day: bounded, and of the account alone."""

from datetime import date

from apps.accounts.tests.cast import Cast
from apps.keys.models import ApiKey
from apps.usage.models import UsageEndUserDay
from apps.usage.recording import MOST_END_USERS
from apps.usage.selectors import shares_of_end_users
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

DAY = date(2026, 11, 23)


def shares(account_id: int, **filters: object) -> list[tuple[str, int, int]]:
    found = shares_of_end_users(account_id=account_id, since=DAY, **filters)  # type: ignore[arg-type]
    return [(share.identifier, share.totals.requests, share.totals.cost) for share in found]


def test_the_dearest_come_first_and_only_ones_own(key: ApiKey, cast: Cast) -> None:
    record_events(
        events=[
            event(key, "1", end_user="ann", cost=5),
            event(key, "2", end_user="ann", cost=7, model="mars"),
            event(key, "3", end_user="ben", cost=20),
            event(key, "4", end_user="ann", cost=100, started_at="2026-11-24T00:00:00Z"),
            event(key, "5", end_user="", cost=1000),
            event(key, "6", end_user="ben", cost=3, started_at="2026-11-22T23:59:59Z"),
        ]
    )
    assert shares(key.account_id) == [("ann", 3, 112), ("ben", 1, 20)]
    assert shares(key.account_id, until=date(2026, 11, 24)) == [("ben", 1, 20), ("ann", 2, 12)]
    assert shares(key.account_id, model="mars") == [("ann", 1, 7)]
    assert shares(key.account_id, limit=1) == [("ann", 3, 112)]
    assert shares(cast.charlies.id) == []


def test_of_too_many_the_last_are_summed_together(key: ApiKey) -> None:
    """Whoever is known keeps the name; the sum of all is exact."""
    record_events(events=[event(key, "first", end_user="zoe", cost=1)])
    crowd = [event(key, f"crowd_{n}", end_user=f"user-{n:05}", cost=1) for n in range(MOST_END_USERS + 1)]
    record_events(events=crowd)
    record_events(events=crowd)
    rows = UsageEndUserDay.objects.filter(account=key.account_id, day=DAY)
    assert rows.exclude(end_user="").count() == MOST_END_USERS
    assert rows.get(end_user="").requests == 2
    later = [event(key, "later_1", end_user="zoe", cost=50), event(key, "later_2", end_user="yan", cost=90)]
    record_events(events=[*later, event(key, "later_3", end_user="yan", cost=5, started_at="2026-11-24T12:00:00Z")])
    assert shares(key.account_id, until=date(2026, 11, 24))[:2] == [("", 3, 92), ("zoe", 2, 51)]
    assert shares_of_end_users(account_id=key.account_id, since=DAY)[0].label == "All others"
    assert ("yan", 1, 5) in shares(key.account_id)
    assert rows.count() == MOST_END_USERS + 1
