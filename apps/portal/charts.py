"""Turns consumption into a chart and the table beside it."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from apps.common.money import NANO_PER_USD, format_usd
from apps.portal.periods import Period
from apps.usage.contracts import UsageBucket, UsageTotals

MAX_SERIES = 6
OTHERS = "Others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    slug: str
    label: str
    unit: str  # as static/js/charts.js knows it
    of: Callable[[UsageTotals], int]

    def text(self, value: int) -> str:
        return format_usd(value) if self.unit == "usd" else f"{value:,}"

    def drawn(self, value: int) -> float:
        return value / NANO_PER_USD if self.unit == "usd" else value


METRICS = {
    metric.slug: metric
    for metric in (
        Metric(slug="cost", label="Cost", unit="usd", of=lambda totals: totals.cost),
        Metric(slug="requests", label="Requests", unit="count", of=lambda totals: totals.requests),
        Metric(
            slug="tokens",
            label="Tokens",
            unit="count",
            of=lambda totals: totals.input_tokens + totals.output_tokens,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    label: str
    color: int
    values: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    start: datetime
    cells: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    metric: Metric
    period: Period
    times: list[datetime]
    series: list[Series]

    @property
    def is_empty(self) -> bool:
        return not any(any(series.values) for series in self.series)

    @property
    def json(self) -> str:
        return json.dumps(
            {
                "unit": self.metric.unit,
                "step": int(self.period.step.total_seconds()),
                "times": [int(moment.timestamp()) for moment in self.times],
                "series": [
                    {
                        "label": series.label,
                        "color": series.color,
                        "values": [self.metric.drawn(value) for value in series.values],
                    }
                    for series in self.series
                ],
            }
        )

    @property
    def rows(self) -> list[ChartRow]:
        """The newest first, without those in which nothing happened."""
        return [
            ChartRow(start=moment, cells=[self.metric.text(series.values[slot]) for series in self.series])
            for slot, moment in reversed(list(enumerate(self.times)))
            if any(series.values[slot] for series in self.series)
        ]


def build_chart(buckets: list[UsageBucket], *, period: Period, metric: Metric, now: datetime) -> Chart:
    """The largest groups get a colour each; the rest share the last one."""
    times = period.times(now)
    slots = {moment: slot for slot, moment in enumerate(times)}
    values: dict[str, list[int]] = defaultdict(lambda: [0] * len(times))
    for bucket in buckets:
        slot = slots.get(_moment(bucket.start))
        if slot is not None:
            values[bucket.label or metric.label][slot] += metric.of(bucket.totals)
    ranked = sorted(values.items(), key=lambda item: (-sum(item[1]), item[0]))
    series = [Series(label=label, color=color, values=row) for color, (label, row) in enumerate(ranked[:MAX_SERIES])]
    if rest := [row for _, row in ranked[MAX_SERIES:]]:
        series.append(
            Series(label=OTHERS, color=MAX_SERIES, values=[sum(column) for column in zip(*rest, strict=True)])
        )
    return Chart(metric=metric, period=period, times=times, series=series)


def _moment(start: datetime | date) -> datetime:
    return start.astimezone(UTC) if isinstance(start, datetime) else datetime.combine(start, time(), tzinfo=UTC)
