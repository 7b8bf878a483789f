"""The usage page: filters, paging, export."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.portal.charts import METRICS, build_chart
from apps.portal.exports import neutral
from apps.portal.periods import PERIODS
from apps.portal.tests.test_dashboard import use
from apps.usage.contracts import UsageBucket, UsageTotals


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


@pytest.fixture
def alice(cast: Cast, signed_in: Callable[[User], Client]) -> Client:
    return signed_in(cast.alice)


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
