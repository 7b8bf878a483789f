"""What the checks of a reconciliation share: the days that they look at, and what each of them found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection

from apps.billing.contracts import Explained, Finding

EVER, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
IN_FLIGHT = timedelta(minutes=10)  # a webhook, or the look for those that were missed, may need so long

PATIENCE = 70.0  # use is posted every minute


class SkippedError(Exception):
    """There is nothing to compare with; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whole days, UTC; `first` None: since ever, and then whatever is dated later than `last`, too.

    What changed elsewhere since `in_flight` may not have come here yet. `patience`: seconds until what seems to be late
    is looked at again.
    """

    first: date | None
    last: date
    in_flight: timedelta = IN_FLIGHT
    patience: float = PATIENCE

    @property
    def begin(self) -> datetime:
        return EVER if self.first is None else datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        return NEVER if self.first is None else datetime.combine(self.last, time(), UTC) + timedelta(days=1)


@dataclass(slots=True)
class Found:
    compared: int = 0
    findings: list[Finding] = field(default_factory=list)
    explained: list[Explained] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """`find` raises SkippedError where it cannot compare anything here, and anything else where it failed."""

    name: str
    title: str
    find: Callable[[Scope], Found]


def rows_of(statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """One statement sees one state of the database, whatever is written meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
