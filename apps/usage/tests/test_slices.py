"""Use by any dimension: each sum is that of the events, from any hour to any other, and of one account alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.models import UsageEvent
from apps.usage.selectors import TIER, slices
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
HOURS = 96


def made(account_id: int, project: str, person_id: int | None) -> ApiKey:
    issued = create_key(
        account_id=account_id, project_slug=project, name="Chat", policy=KeyPolicy(), created_by_id=person_id
    )
    return ApiKey.objects.get(public_id=issued.public_id)


@pytest.fixture
def keys(cast: Cast) -> list[ApiKey]:
    """Two of Northwind, of two people and projects, and one of Charlie's; each used in every hour of four days."""
    game = create_project(account_id=cast.northwind.id, name="Game")
    found = [
        made(cast.northwind.id, "default", cast.alice.pk),
        made(cast.northwind.id, game.slug, cast.bob.pk),
        made(cast.charlies.id, "default", None),
    ]
    record_events(
        events=[
            event(
                key,
                f"req_{key.pk}_{hour}",
                started_at=(BEGIN + timedelta(hours=hour, minutes=59)).isoformat(),
                model=("moon", "sun")[hour % 2],
                service_tier=("default", "batch")[hour % 3 == 0],
                cost=10**9 + hour,
                outcome="failed" if hour % 7 == 0 else "completed",
            )
            for key in found
            for hour in range(HOURS)
        ]
    )
    return found


def costs_of(account_id: int, **fields: Any) -> dict[datetime, int]:
    """What each hour cost."""
    costs: Counter[datetime] = Counter()
    for started_at, cost in UsageEvent.objects.filter(account_id=account_id, **fields).values_list(
        "started_at", "cost"
    ):
        costs[started_at.replace(minute=0)] += cost
    return costs


def between(costs: dict[datetime, int], since: datetime, until: datetime) -> int:
    return sum(cost for hour, cost in costs.items() if since <= hour < until)


@pytest.mark.parametrize("by_day", [True, False])
@pytest.mark.parametrize("group_by", [(), ("model",), ("project", "key", "person"), (TIER,), (TIER, "model")])
def test_sums_are_those_of_the_events(keys: list[ApiKey], by_day: bool, group_by: tuple[str, ...]) -> None:
    account = keys[0].account_id
    costs = costs_of(account)
    for first, last in [(0, 96), (0, 24), (5, 77), (5, 20), (5, 24), (24, 29), (23, 49), (48, 48), (0, 1)]:
        since, until = BEGIN + timedelta(hours=first), BEGIN + timedelta(hours=last)
        found = slices(account_id=account, since=since, until=until, by_day=by_day, group_by=group_by, only={})
        assert all(set(one.group) == set(group_by) for one in found)
        assert sum(one.totals.cost for one in found) == between(costs, since, until)
        for start in {one.start for one in found}:
            end = min(until, start.replace(hour=0) + timedelta(days=1) if by_day else start + timedelta(hours=1))
            assert sum(one.totals.cost for one in found if one.start == start) == between(costs, start, end)


def test_dimensions_say_who_and_what(keys: list[ApiKey], cast: Cast) -> None:
    found = slices(
        account_id=cast.northwind.id,
        since=BEGIN,
        until=BEGIN + timedelta(days=1),
        by_day=True,
        group_by=("project", "person", "key"),
        only={"model": ["moon"]},
    )
    assert [one.group for one in found] == [
        {"project": "default", "person": "alice@example.com", "key": keys[0].public_id},
        {"project": "game", "person": "bob@example.com", "key": keys[1].public_id},
    ]
    assert [(one.totals.requests, one.totals.failed_requests) for one in found] == [(12, 2)] * 2
    unknown = slices(
        account_id=cast.charlies.id, since=BEGIN, until=BEGIN + timedelta(days=1), by_day=True,
        group_by=("person",), only={},
    )  # fmt: skip
    assert [one.group for one in unknown] == [{"person": None}]


@pytest.mark.parametrize(
    ("only", "fields"),
    [
        ({"project": ["game"]}, {"project__slug": "game"}),
        ({"person": ["bob@example.com"]}, {"api_key__created_by__email": "bob@example.com"}),
        ({TIER: ["batch"]}, {"service_tier": "batch"}),
        ({"model": ["sun", "venus"], "project": ["default"]}, {"model": "sun", "project__slug": "default"}),
        ({"model": []}, {"model": "none"}),
    ],
)
@pytest.mark.parametrize("by_day", [True, False])
def test_use_can_be_held_to(keys: list[ApiKey], only: Any, fields: dict[str, str], by_day: bool) -> None:
    account, since, until = keys[0].account_id, BEGIN + timedelta(hours=3), BEGIN + timedelta(hours=90)
    found = slices(account_id=account, since=since, until=until, by_day=by_day, only=only)
    assert sum(one.totals.cost for one in found) == between(costs_of(account, **fields), since, until)


@pytest.mark.parametrize("by_day", [True, False])
@pytest.mark.parametrize("most", [1, 3, 7, 1000])
def test_so_many_are_the_first_ones(keys: list[ApiKey], by_day: bool, most: int) -> None:
    asked: dict[str, Any] = {
        "account_id": keys[0].account_id,
        "since": BEGIN + timedelta(hours=5),
        "until": BEGIN + timedelta(hours=77),
        "by_day": by_day,
        "group_by": ("key",),
        "only": {},
    }
    assert slices(**asked, most=most) == slices(**asked)[:most]


def test_models_can_be_left_out(keys: list[ApiKey]) -> None:
    account, until = keys[0].account_id, BEGIN + timedelta(days=4)
    found = slices(account_id=account, since=BEGIN, until=until, by_day=True, only={}, except_models=["sun"])
    assert sum(one.totals.cost for one in found) == sum(costs_of(account, model="moon").values())


def test_anothers_keys_and_projects_bring_nothing(keys: list[ApiKey], cast: Cast) -> None:
    for only in ({"key": [keys[0].public_id]}, {"project": ["game"]}, {"person": ["alice@example.com"]}):
        found = slices(
            account_id=cast.charlies.id, since=BEGIN, until=BEGIN + timedelta(days=4), by_day=True, only=only
        )
        assert found == []
