"""Time in pages of buckets: none is missed, none comes twice, and what cannot be told is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.buckets import Bucket, page_of
from apps.api.organization import MOST_RESULTS, filled
from apps.api.parsing import query_of
from apps.api.schemas.organization import BucketsQuery, CompletionsQuery, CostsQuery
from apps.common.errors import Invalid
from apps.usage.contracts import UsageSlice, UsageTotals

NOW = datetime(2026, 11, 27, 10, 15, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def asked(since: datetime, until: datetime | None = None, **more: Any) -> CompletionsQuery:
    return CompletionsQuery(start_time=seconds(since), end_time=until and seconds(until), **more)


def test_days_are_those_of_utc_and_cut_off_at_the_hours_asked_for() -> None:
    since, until = datetime(2026, 11, 24, 17, 31, tzinfo=UTC), datetime(2026, 11, 26, 9, 0, 1, tzinfo=UTC)
    found = page_of(asked(since, until), now=NOW)
    assert found.next_page is None
    assert [(bucket.start.strftime("%d %H"), bucket.end.strftime("%d %H")) for bucket in found.buckets] == [
        ("24 17", "25 00"),
        ("25 00", "26 00"),
        ("26 00", "26 10"),
    ]


def test_without_an_end_the_last_one_is_that_which_is_under_way() -> None:
    days = page_of(asked(MIDNIGHT - timedelta(days=1)), now=NOW).buckets
    assert days[-1] == Bucket(MIDNIGHT, MIDNIGHT + timedelta(days=1)) and len(days) == 2
    hours = page_of(asked(MIDNIGHT, bucket_width="1h"), now=NOW).buckets
    assert hours[-1] == Bucket(MIDNIGHT + timedelta(hours=10), MIDNIGHT + timedelta(hours=11)) and len(hours) == 11


def test_the_future_has_no_buckets() -> None:
    assert page_of(asked(NOW + timedelta(days=3)), now=NOW).buckets == []
    assert len(page_of(asked(NOW, NOW + timedelta(days=300)), now=NOW).buckets) == 1


@given(
    ago=st.timedeltas(timedelta(days=10), timedelta(days=100)),
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=9)),
    width=st.sampled_from(["1h", "1d"]),
    limit=st.integers(1, 31),
)
def test_pages_are_one_after_the_other(ago: timedelta, length: timedelta, width: str, limit: int) -> None:
    since = NOW - ago
    query = asked(since, since + length + timedelta(seconds=1), bucket_width=width, limit=limit)
    buckets: list[Bucket] = []
    while True:
        page = page_of(query, now=NOW)
        assert 1 <= len(page.buckets) <= limit
        buckets += page.buckets
        if page.next_page is None:
            break
        query.page = page.next_page
    assert all(first.end == second.start for first, second in pairwise(buckets))
    assert timedelta(0) <= since - buckets[0].start < timedelta(hours=1)
    assert timedelta(0) <= buckets[-1].end - (since + length) < timedelta(hours=1, seconds=2)
    assert all(bucket.end - bucket.start <= timedelta(hours=1 if width == "1h" else 24) for bucket in buckets)


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"bucket_width": "1m"}, "bucket_width", "unsupported_bucket_width"),
        ({"bucket_width": "1w"}, "bucket_width", "unsupported_bucket_width"),
        ({"limit": 0}, "limit", "invalid_value"),
        ({"limit": 32}, "limit", "invalid_value"),
        ({"limit": 169, "bucket_width": "1h"}, "limit", "invalid_value"),
        ({"end_time": seconds(MIDNIGHT)}, "end_time", "invalid_value"),
        ({"page": "page_"}, "page", "invalid_value"),
        ({"page": "page_0"}, "page", "invalid_value"),
        ({"page": f"page_{seconds(MIDNIGHT) + 3600:x}"}, "page", "invalid_value"),
        ({"page": f"page_{seconds(MIDNIGHT) + 864_000:x}"}, "page", "invalid_value"),
        ({"page": "AAAAAGdGxdEiJdKOAAAAAGcqsYA="}, "page", "invalid_value"),
    ],
)
def test_what_cannot_be_told(more: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        page_of(CompletionsQuery(start_time=seconds(MIDNIGHT), **more), now=NOW)
    assert (refused.value.param, refused.value.code) == (param, code)


def test_minutes_are_said_not_to_be_kept() -> None:
    with pytest.raises(Invalid, match=r"by the hour and by the day .* not by the minute: ask for .* 1h or 1d"):
        page_of(CompletionsQuery(start_time=0, bucket_width="1m"), now=NOW)
    with pytest.raises(Invalid, match=r"Costs are told by the day .*: ask for .* 1d"):
        page_of(CostsQuery(start_time=0, bucket_width="1h"), now=NOW)


def test_costs_come_for_half_a_year_at_once() -> None:
    query = CostsQuery(start_time=seconds(NOW - timedelta(days=200)), limit=180)
    assert len(page_of(query, now=NOW).buckets) == 180


@pytest.mark.parametrize("text", ["group_by[]=model&group_by[]=batch", "group_by=model&group_by=batch"])
def test_lists_come_in_either_form(text: str) -> None:
    query = query_of(f"start_time=5&models[]=a&batch=true&{text}", CompletionsQuery, lists=CompletionsQuery.LISTS)
    assert (query.start_time, query.models, query.batch, query.group_by) == (5, ["a"], True, ["model", "batch"])


@pytest.mark.parametrize("groups", [1, 100, 2_000, 4_999, 5_000, 5_001, 12_000])
@pytest.mark.parametrize("limit", [1, 2, 24])
def test_a_page_of_very_many_results_ends_earlier(groups: int, limit: int) -> None:
    """All of it comes, once, and never much more than the most at a time."""
    begin = MIDNIGHT - timedelta(hours=5)
    used = [
        UsageSlice(start=begin + timedelta(hours=hour), group={"model": str(number)}, totals=UsageTotals(requests=1))
        for hour in range(7)
        for number in range(groups)
    ]

    def read(*, since: datetime, until: datetime, most: int | None = None) -> list[UsageSlice]:
        return [one for one in used if since <= one.start < until][:most]

    query = asked(begin, begin + timedelta(hours=8), bucket_width="1h", limit=limit)
    came: list[UsageSlice] = []
    buckets: list[Bucket] = []
    while True:
        page, found = filled(page_of(query, now=NOW), read)
        assert 1 <= len(page.buckets) <= limit
        assert len(found) <= max(MOST_RESULTS, groups)
        assert all(page.buckets[0].start <= one.start < page.buckets[-1].end for one in found)
        buckets += page.buckets
        came += found
        if page.next_page is None:
            break
        query.page = page.next_page
    assert came == used
    assert [bucket.start for bucket in buckets] == [begin + timedelta(hours=hour) for hour in range(8)]


words = st.text(max_size=12) | st.integers(-(10**12), 10**12) | st.sampled_from(["1h", "1d", "page_6a0", "true"])
queries = st.lists(st.tuples(st.sampled_from(CompletionsQuery.__struct_fields__), words), max_size=8)


@given(more=queries, begin=words | st.integers(0, 2 * 10**9), query=st.sampled_from([CompletionsQuery, CostsQuery]))
def test_nothing_that_is_asked_is_worse_than_wrong(
    more: list[tuple[str, Any]], begin: Any, query: type[BucketsQuery]
) -> None:
    try:
        page_of(query_of(urlencode([("start_time", begin), *more]), query, lists=query.LISTS), now=NOW)
    except Invalid as wrong:
        assert wrong.message


@pytest.mark.parametrize(
    ("text", "param", "code"),
    [
        ("", "start_time", "missing_required_parameter"),
        ("start_time=soon", "start_time", "invalid_value"),
        ("start_time=-1", "start_time", "invalid_value"),
        ("start_time=1e99", "start_time", "invalid_value"),
        ("start_time=1730419200000", "start_time", "invalid_value"),
        ("start_time=1&start_time=1", None, "invalid_value"),
        ("start_time=1&moon=1", "moon", "unknown_parameter"),
        ("start_time=1&batch=perhaps", "batch", "invalid_value"),
        ("start_time=1&project_ids=", "project_ids[0]", "invalid_value"),
        ("start_time=1&" + "&".join(["models=a"] * 101), "models", "invalid_value"),
        ("start_time=1&" + "&".join(["models=a"] * 1001), None, "invalid_value"),
        ("start_time=1&models=%00", None, "invalid_value"),
        ("start_time=1&models=%ff", None, "invalid_value"),
    ],
)
def test_queries_that_are_none(text: str, param: str | None, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        query_of(text, CompletionsQuery, lists=CompletionsQuery.LISTS)
    assert (refused.value.param, refused.value.code) == (param, code)
