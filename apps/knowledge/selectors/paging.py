"""Pages of rows, and rows by the names that callers give."""

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def named(rows: QuerySet[Row], name: str, field: str) -> Row | None:
    """What cannot be printed names none: PostgreSQL would choke on a NUL."""
    return rows.filter(**{field: name[:100]}).first() if name.isprintable() else None


def page(
    rows: QuerySet[Row], limit: int, newest_first: bool, after: int | None, before: int | None
) -> tuple[list[Row], bool]:
    """Those next to the one that is named: right behind `after`, or right before `before`."""
    if after is not None:
        rows = rows.filter(pk__lt=after) if newest_first else rows.filter(pk__gt=after)
    if before is not None:
        rows = rows.filter(pk__gt=before) if newest_first else rows.filter(pk__lt=before)
    backwards = before is not None and after is None
    found = list(rows.order_by("-pk" if newest_first != backwards else "pk")[: limit + 1])
    shown = found[:limit]
    return shown[::-1] if backwards else shown, len(found) > limit
