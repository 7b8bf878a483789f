"""The spans of time that use is looked at in, cut into hours or days (UTC)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from apps.common.moments import hour_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    slug: str
    label: str
    slots: int
    step: timedelta

    @property
    def by_hour(self) -> bool:
        return self.step == HOUR

    def name_of(self, start: datetime | date) -> str:
        """One of its hours or days, for people."""
        return f"{start.day} {start:%b, %H:%M}" if self.by_hour else f"{start.day} {start:%b %Y}"

    def times(self, now: datetime) -> list[datetime]:
        """The beginnings of its hours or days, oldest first; the last one holds `now`."""
        last = hour_of(now.astimezone(UTC))
        if not self.by_hour:
            last = last.replace(hour=0)
        return [last - self.step * back for back in range(self.slots - 1, -1, -1)]

    def since(self, now: datetime) -> datetime:
        return self.times(now)[0]


PERIODS = {
    period.slug: period
    for period in (
        Period(slug="24h", label="24 hours", slots=24, step=HOUR),
        Period(slug="7d", label="7 days", slots=7, step=DAY),
        Period(slug="30d", label="30 days", slots=30, step=DAY),
        Period(slug="90d", label="90 days", slots=90, step=DAY),
    )
}


def midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
