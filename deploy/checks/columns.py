"""What PostgreSQL makes of a field: its name, its type, what is checked, what is indexed."""

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import connection, models
from django.db.models.expressions import Value

CONSTANTS = Value | str | int | float | bool | bytes
if TYPE_CHECKING:
    Column: TypeAlias = models.Field[Any, Any]
else:
    Column = models.Field


def name(field: Column) -> str | None:
    return field.column if field.concrete else None


def needs_a_value(field: Column) -> bool:
    """A row that is written without it is refused."""
    return field.concrete and not field.many_to_many and not field.null and not field.has_db_default()


def is_indexed(field: Column) -> bool:
    index: bool = getattr(field, "db_index", False)  # of which the stubs know nothing
    return field.concrete and not field.many_to_many and (index or field.unique)


def check(field: Column) -> str | None:
    found: str | None = field.db_parameters(connection).get("check")
    return found


def is_checked(field: Column) -> bool:
    return check(field) is not None


def is_a_foreign_key_of_the_database(field: Column) -> bool:
    return isinstance(field, models.ForeignKey) and getattr(field, "db_constraint", True)


def fits_without_rewriting(before: str | None, after: str | None) -> bool:
    """Texts may become longer or boundless; numbers of one kind keep their bytes with more digits in all."""
    if before == after:
        return True
    if before is None or after is None:
        return False
    if after == "text" or after == "varchar":
        return before == "text" or before.startswith("varchar")
    old, new = re.fullmatch(r"varchar\((\d+)\)", before), re.fullmatch(r"varchar\((\d+)\)", after)
    if old and new:
        return int(old[1]) <= int(new[1])
    old, new = (re.fullmatch(r"numeric\((\d+), (\d+)\)", one) for one in (before, after))
    return bool(old and new and int(old[1]) <= int(new[1]) and old[2] == new[2])
