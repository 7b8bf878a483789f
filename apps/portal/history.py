"""Changes of credit as people read them: a day's use in one row, as long as nothing else came in between."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from apps.billing.contracts import CreditChange

USAGE = "usage"


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """`changes`: one, or several of use, the newest first."""

    changes: list[CreditChange]

    @property
    def newest(self) -> CreditChange:
        return self.changes[0]

    @property
    def amount(self) -> int:
        return sum(change.amount for change in self.changes)

    @property
    def since(self) -> datetime:
        return min(change.occurred_at for change in self.changes)

    @property
    def until(self) -> datetime:
        return max(change.until for change in self.changes)


def rows_of(changes: list[CreditChange]) -> list[HistoryRow]:
    return [HistoryRow(list(together)) for _, together in groupby(changes, key=_together)]


def _together(change: CreditChange) -> object:
    return change.occurred_at.astimezone(UTC).date() if change.kind == USAGE else change.id
