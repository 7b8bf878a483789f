"""The ways in which a period's use is cut apart: each a chart, a table of shares and a table for spreadsheets."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from apps.portal.charts import Metric
from apps.portal.periods import Period
from apps.usage import selectors
from apps.usage.contracts import UsageBucket, UsageTotals
from apps.usage.selectors import GroupBy

Read = Callable[..., list[UsageBucket]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """`columns`: what a spreadsheet calls a group's label and its identifier, where they differ; none: there are no
    groups but the days. `narrows`: whether a filter by this name holds use to one group. `note`: what it lacks."""

    slug: str
    label: str
    columns: tuple[str, ...]
    narrows: bool
    read: Read
    note: str = ""

    def buckets(self, *, period: Period, since: datetime, **owned: Any) -> list[UsageBucket]:
        """What was used in a period's hours or days, from `since` on, as the selectors of usage take the rest."""
        return self.read(period=period, since=since, **owned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A group's part of the whole, by the chosen measure."""

    label: str
    identifier: str
    totals: UsageTotals
    part: int
    whole: int

    @property
    def tokens(self) -> int:
        return self.totals.input_tokens + self.totals.output_tokens


def _by(group_by: GroupBy | None) -> Read:
    def read(*, period: Period, since: datetime, **owned: Any) -> list[UsageBucket]:
        if period.by_hour:
            return selectors.hourly_series(since=since, group_by=group_by, **owned)
        return selectors.daily_series(since=since.date(), group_by=group_by, **owned)

    return read


def _by_end_user(
    *, period: Period, since: datetime, project_slug: str | None, key_public_id: str | None, **owned: Any
) -> list[UsageBucket]:
    """By day and of the account as a whole: nothing for what cannot be told."""
    if period.by_hour or project_slug or key_public_id:
        return []
    return selectors.daily_series_of_end_users(since=since.date(), **owned)


BREAKDOWNS = {
    breakdown.slug: breakdown
    for breakdown in (
        Breakdown(slug="model", label="Model", columns=("model",), narrows=True, read=_by("model")),
        Breakdown(slug="key", label="Key", columns=("key", "key_id"), narrows=True, read=_by("key")),
        Breakdown(
            slug="project", label="Project", columns=("project", "project_id"), narrows=True, read=_by("project")
        ),
        Breakdown(
            slug="end-user",
            label="End user",
            columns=("end_user",),
            narrows=False,
            read=_by_end_user,
            note="Of requests that name an end user (user, safety_identifier or x-artemis-user), by day and for the"
            " account as a whole: choose 7 days or more, and no project or key.",
        ),
        Breakdown(slug="day", label="Day", columns=(), narrows=False, read=_by(None)),
    )
}


def told_apart(buckets: list[UsageBucket]) -> list[UsageBucket]:
    """Groups of one label get their identifiers beside it."""
    named: dict[str, set[str]] = {}
    for bucket in buckets:
        named.setdefault(bucket.label, set()).add(bucket.identifier)
    return [
        replace(bucket, label=f"{bucket.label} ({bucket.identifier})") if len(named[bucket.label]) > 1 else bucket
        for bucket in buckets
    ]


def shares(buckets: list[UsageBucket], *, breakdown: Breakdown, period: Period, metric: Metric) -> list[Share]:
    """The largest first, and days the newest first."""
    found: dict[tuple[str, str], list[UsageTotals]] = {}
    for bucket in reversed(buckets):
        group = (bucket.label, bucket.identifier) if breakdown.columns else (period.name_of(bucket.start), "")
        found.setdefault(group, []).append(bucket.totals)
    sums = [(*group, _sum(totals)) for group, totals in found.items()]
    if breakdown.columns:
        sums.sort(key=lambda one: (-metric.of(one[2]), one[0]))
    whole = sum(metric.of(totals) for *_, totals in sums)
    return [
        Share(label=label, identifier=identifier, totals=totals, part=metric.of(totals), whole=whole)
        for label, identifier, totals in sums
    ]


def _sum(many: list[UsageTotals]) -> UsageTotals:
    names = [field.name for field in fields(UsageTotals)]
    return UsageTotals(**{name: sum(getattr(one, name) for one in many) for name in names})
