"""Use cut apart by any of its dimensions at once, from any hour to any other. Asked for by account."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncDay

from apps.usage.contracts import UsageSlice, UsageTotals
from apps.usage.models import UsageDay, UsageHour

TIER = "tier"
DIMENSIONS = {
    "project": "project__slug",
    "person": "api_key__created_by__email",
    "key": "api_key__public_id",
    "model": "model",
    TIER: "service_tier",
}
_SUMS = {name: Sum(name) for name in UsageTotals.__dataclass_fields__}
Spans = list[tuple[QuerySet[Any], Any]]


def slices(
    *,
    account_id: int,
    since: datetime,
    until: datetime,
    by_day: bool,
    group_by: Collection[str] = (),
    only: Mapping[str, Collection[str]],
    except_models: Collection[str] = (),
    most: int | None = None,
) -> list[UsageSlice]:
    """Sums by hour or by day (UTC) and by some of DIMENSIONS, the oldest first; a person is who made the key.

    `since` and `until` are full hours; `only` has what a dimension may be. `most`: so many are enough, wherever they
    end.
    """
    columns = [DIMENSIONS[name] for name in group_by]
    wanted = {f"{DIMENSIONS[name]}__in": values for name, values in only.items()}
    found: list[UsageSlice] = []
    for rows, start in _spans(since, until) if by_day else [(_hours(since, until), F("hour"))]:
        owned = rows.filter(account_id=account_id, **wanted).exclude(model__in=except_models)
        sums = owned.values(*columns, start=start).annotate(**_SUMS).order_by("start", *columns)
        for row in sums if most is None else sums[: most - len(found)]:
            group = {name: row[DIMENSIONS[name]] for name in group_by}
            totals = UsageTotals(**{name: row[name] for name in _SUMS})
            found.append(UsageSlice(start=max(_moment(row["start"]), since), group=group, totals=totals))
    return found


def _spans(since: datetime, until: datetime) -> Spans:
    """Rows, and what tells the day of each: the hours of days that are not whole, and of whole days the fewer rows."""
    day = TruncDay("hour", tzinfo=UTC)
    first = _midnight(since + timedelta(days=1, microseconds=-1))
    last = _midnight(until)
    if first >= last:
        return [(_hours(since, until), day)]
    return [
        (_hours(since, first), day),
        (UsageDay.objects.filter(day__gte=first.date(), day__lt=last.date()), F("day")),
        (_hours(last, until), day),
    ]


def _hours(since: datetime, until: datetime) -> QuerySet[Any]:
    return UsageHour.objects.filter(hour__gte=since, hour__lt=until)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(), tzinfo=UTC)


def _moment(start: datetime | date) -> datetime:
    return start.astimezone(UTC) if isinstance(start, datetime) else datetime.combine(start, time(), tzinfo=UTC)
