"""Time in pages of buckets, as OpenAI's usage API cuts it: hours or days of UTC, the first day begins at the hour that
was asked for, the last one ends there."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.api.schemas.organization import BucketsQuery
from apps.common.errors import Invalid
from apps.common.moments import hour_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = {"1h": HOUR, "1d": DAY}
_PAGE = re.compile(r"page_([0-9a-f]{1,9})")


@dataclass(frozen=True, slots=True)
class Bucket:
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """`next_page` is the name of the page behind it, where there is one."""

    buckets: list[Bucket]
    next_page: str | None

    def until(self, start: datetime) -> "Page":
        """The page as far as a bucket that begins the next one."""
        return Page([bucket for bucket in self.buckets if bucket.start < start], _name(start))


def page_of(query: BucketsQuery, *, now: datetime) -> Page:
    """The buckets that are asked for; none begins in the future. Raises Invalid."""
    step, limit = _width(query)
    start, end = _span(query, step, now)
    if query.page is not None:
        start = _place(query.page, step, start, end)
    buckets: list[Bucket] = []
    while start < end and len(buckets) < limit:
        following = min(_floor(start, step) + step, end)
        buckets.append(Bucket(start, following))
        start = following
    return Page(buckets, _name(start) if start < end else None)


def _width(query: BucketsQuery) -> tuple[timedelta, int]:
    width = query.bucket_width
    if width not in query.WIDTHS:
        message = f"{query.NOT_KEPT}: ask for a bucket_width of {' or '.join(query.WIDTHS)}."
        raise Invalid("bucket_width", message, code="unsupported_bucket_width")
    usual, most = query.WIDTHS[width]
    limit = usual if query.limit is None else query.limit
    if not 1 <= limit <= most:
        raise Invalid("limit", f"Ask for 1 to {most} buckets of {width} at once, and with `page` for the next ones.")
    return STEPS[width], limit


def _span(query: BucketsQuery, step: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """Full hours; the end is that of the hour or day that is under way, at the latest."""
    latest = _floor(now, step) + step
    if query.end_time is None:
        return hour_of(_moment(query.start_time)), latest
    if query.end_time <= query.start_time:
        raise Invalid("end_time", "The end_time must lie behind the start_time.")
    return hour_of(_moment(query.start_time)), min(hour_of(_moment(query.end_time - 1)) + HOUR, latest)


def _name(start: datetime) -> str:
    return f"page_{int(start.timestamp()):x}"


def _place(page: str, step: timedelta, start: datetime, end: datetime) -> datetime:
    """Where a page begins. Raises Invalid for one that was not given out for these parameters."""
    if found := _PAGE.fullmatch(page):
        place = _moment(int(found[1], 16))
        if start < place < end and place == _floor(place, step):
            return place
    raise Invalid("page", "Give the next_page of the page before, as it was, with the same other parameters.")


def _floor(moment: datetime, step: timedelta) -> datetime:
    hour = hour_of(moment)
    return hour.replace(hour=0) if step == DAY else hour


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
