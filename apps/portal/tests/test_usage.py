"""The usage page: filters, paging, export."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.portal.charts import METRICS, build_chart
from apps.portal.exports import neutral
from apps.portal.periods import PERIODS
from apps.portal.tests.test_dashboard import use
from apps.usage.contracts import UsageBucket, UsageTotals
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event


@pytest.fixture
def key(cast: Cast) -> ApiKey:
    issued = create_key(
        account_id=cast.northwind.id,
        project_slug="default",
        name="=1+1",
        policy=KeyPolicy(),
        created_by_id=None,
    )
    return ApiKey.objects.get(public_id=issued.public_id)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\n"])
def test_no_cell_becomes_a_formula(start: str) -> None:
    assert str(neutral(f"{start}cmd|' /C calc'!A0")).startswith("'")
    assert neutral(-5) == -5 and neutral("key") == "key"


def test_the_export_holds_the_requests_and_no_formula(alice: Client, key: ApiKey) -> None:
    use(key, model="@SUM(A1)")
    answer = alice.get("/a/northwind/usage/requests.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["key"], row["model"]) == ("'=1+1", "'@SUM(A1)")
    assert (row["input_tokens"], row["cost_usd"]) == ("12", "0.0000375")


@pytest.fixture
def used(cast: Cast, key: ApiKey) -> int:
    """Two keys of one name, one of them for a project of its own, over three days; what they cost."""
    game = create_project(account_id=cast.northwind.id, name="+Game")
    issued = create_key(account_id=cast.northwind.id, project_slug=game.slug, name="=1+1", policy=KeyPolicy())
    other = ApiKey.objects.get(public_id=issued.public_id)
    now = timezone.now()
    costs = {number: 10**12 + 10**number for number in range(9)}
    record_events(
        events=[
            event(
                (key, other)[number % 2],
                f"req_{number}",
                model=("moon", "@sun")[number > 5],
                started_at=(now - timedelta(days=number // 3)).isoformat(),
                cost=cost,
                end_user=("ann", "@ben")[number % 2],
            )
            for number, cost in costs.items()
        ]
    )
    return sum(costs.values())


@pytest.mark.parametrize(
    ("group", "columns", "groups"),
    [
        ("model", ["model"], {"moon", "'@sun"}),
        ("key", ["key", "key_id"], {"'=1+1"}),
        ("project", ["project", "project_id"], {"default", "'+Game"}),
        ("end-user", ["end_user"], {"ann", "'@ben"}),
        ("day", [], set()),
    ],
)
def test_each_chart_is_a_table_for_spreadsheets(
    alice: Client, used: int, group: str, columns: list[str], groups: set[str]
) -> None:
    """Its sum is that of the page, to the nano-dollar; two keys of one name stay two."""
    asked = {"period": "7d", "group": group}
    page = alice.get("/a/northwind/usage/", asked)
    assert f"/a/northwind/usage/breakdown.csv?period=7d&amp;metric=cost&amp;group={group}" in page.content.decode()
    answer = alice.get("/a/northwind/usage/breakdown.csv", asked)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="artemis-northwind-by-{group}-7d.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert list(rows[0])[: 1 + len(columns)] == ["start", *columns]
    assert sum(Decimal(row["cost_usd"]) for row in rows) * 10**9 == used == page.context["totals"].cost
    shares = [share for share, _ in page.context["shares"]]
    assert sum(share.totals.cost for share in shares) == shares[0].whole == used
    assert sum(sum(series.values) for series in page.context["chart"].series) == used
    assert len({row["start"] for row in rows}) == 3
    if columns:
        assert {row[columns[0]] for row in rows} == groups
        assert len({row[columns[-1]] for row in rows}) == len(shares) == len({share.label for share in shares}) == 2


def test_days_are_told_the_newest_first_and_hours_by_their_name(alice: Client, used: int) -> None:
    today = timezone.now().astimezone(UTC)
    days = alice.get("/a/northwind/usage/", {"period": "7d", "group": "day"})
    named = [f"{day.day} {day:%b %Y}" for day in (today - timedelta(days=back) for back in range(3))]
    assert [(share.label, address) for share, address in days.context["shares"]] == [(name, "") for name in named]
    assert [series.label for series in days.context["chart"].series] == ["Cost"]
    hours = alice.get("/a/northwind/usage/", {"period": "24h", "group": "day"})
    assert hours.context["shares"][0][0].label == f"{today.day} {today:%b, %H}:00"
    assert ">Hour</th>" in hours.content.decode()


def test_end_users_are_told_for_days_of_the_whole_account(alice: Client, key: ApiKey, used: int) -> None:
    for narrower in ({"period": "24h"}, {"key": key.public_id}, {"project": "default"}):
        page = alice.get("/a/northwind/usage/", {"period": "7d", "group": "end-user", **narrower})
        assert page.context["shares"] == []
        assert "Of requests that name an end user" in page.content.decode()
    page = alice.get("/a/northwind/usage/", {"period": "7d", "group": "end-user", "model": "@sun"})
    assert sum(share.totals.cost for share, _ in page.context["shares"]) == page.context["totals"].cost < used


@pytest.mark.parametrize("group", ["model", "key", "project"])
def test_a_share_leads_to_what_it_is_made_of(alice: Client, used: int, group: str) -> None:
    page = alice.get("/a/northwind/usage/", {"period": "7d", "group": group, "metric": "requests"})
    for share, address in page.context["shares"]:
        assert f'<a href="?{escape(address)}">{escape(share.label)}</a>' in page.content.decode()
        narrowed = alice.get(f"/a/northwind/usage/?{address}")
        assert narrowed.context["totals"] == share.totals
        assert len(narrowed.context["log"]) == share.totals.requests


def test_a_breakdown_is_held_to_the_filters(alice: Client, key: ApiKey, used: int) -> None:
    asked = {"period": "7d", "group": "key", "key": key.public_id, "model": "moon"}
    rows = list(csv.DictReader(io.StringIO(alice.get("/a/northwind/usage/breakdown.csv", asked).content.decode())))
    assert {row["key_id"] for row in rows} == {key.public_id}
    assert sum(int(row["requests"]) for row in rows) == 3


def test_the_log_pages_back_without_losing_a_row(alice: Client, key: ApiKey) -> None:
    for number in range(30):
        use(key, minutes_ago=number, number=number)
    first = alice.get("/a/northwind/usage/?period=7d")
    second = alice.get("/a/northwind/usage/", {"period": "7d", "before": first.context["older"]})
    seen = [row.request_id for page in (first, second) for row in page.context["log"]]
    assert len(seen) == len(set(seen)) == 30 and second.context["older"] is None


@pytest.mark.parametrize(
    "asked",
    [
        "period=x&metric=y&group=password",
        "before=soon",
        "before=2026-99-99T00:00",
        "model=%27%3B--",
        "group=user__password",
    ],
)
def test_choices_that_do_not_exist_change_nothing(alice: Client, key: ApiKey, asked: str) -> None:
    assert alice.get(f"/a/northwind/usage/?{asked}").status_code == 200


def test_a_null_byte_finds_nothing(alice: Client) -> None:
    assert alice.get("/a/northwind/usage/?model=%00").status_code == 404
    assert alice.get("/a/northwind/keys/?project=%00").status_code == 404


def test_a_chart_keeps_six_groups_and_sums_the_rest() -> None:
    now = timezone.now()
    day = now.astimezone(UTC).date()
    buckets = [
        UsageBucket(start=day, label=f"model {number}", totals=UsageTotals(requests=number)) for number in range(1, 10)
    ]
    chart = build_chart(buckets, period=PERIODS["7d"], metric=METRICS["requests"], now=now)
    assert [series.label for series in chart.series] == [f"model {n}" for n in range(9, 3, -1)] + ["Others"]
    assert chart.series[-1].values[-1] == 1 + 2 + 3
    assert len(chart.times) == 7 and len(chart.rows) == 1


def test_hours_fall_into_their_slots() -> None:
    now = datetime(2026, 11, 23, 15, 40, tzinfo=UTC)
    hour = datetime(2026, 11, 23, 14, tzinfo=UTC)
    buckets = [
        UsageBucket(start=hour, totals=UsageTotals(cost=5)),
        UsageBucket(start=hour - timedelta(days=2), totals=UsageTotals(cost=7)),
    ]
    chart = build_chart(buckets, period=PERIODS["24h"], metric=METRICS["cost"], now=now)
    assert chart.series[0].values[-2] == 5 and sum(chart.series[0].values) == 5
