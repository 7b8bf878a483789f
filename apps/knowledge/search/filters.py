"""OpenAI's filters of attributes as SQL: comparisons, and `and` and `or` of them."""

from typing import Any

import msgspec

from apps.common.errors import Invalid

ORDERED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
MOST_DEPTH, MOST_CONDITIONS, MOST_LISTED = 8, 64, 500
_encode = msgspec.json.Encoder().encode


def condition_of(filters: dict[str, Any], column: str) -> tuple[str, dict[str, Any]]:
    """A condition and its values. `column`: of the attributes, an object. Raises Invalid.

    A file without the attribute is not equal to any value, and neither greater nor less.
    """
    writer = _Writer(column)
    return writer.condition(filters, 0), writer.values


class _Writer:
    def __init__(self, column: str) -> None:
        self._column = column
        self._count = 0
        self.values: dict[str, Any] = {}

    def condition(self, given: Any, depth: int) -> str:
        self._count += 1
        if depth > MOST_DEPTH or self._count > MOST_CONDITIONS:
            raise Invalid("filters", f"Filters have at most {MOST_CONDITIONS} conditions, {MOST_DEPTH} levels deep.")
        if not isinstance(given, dict):
            raise Invalid("filters", "A filter is an object with type, key and value, or with type and filters.")
        kind = str(given.get("type"))
        if kind in ("and", "or"):
            return self._together(given, kind, depth)
        return self._comparison(given, kind)

    def _together(self, given: dict[str, Any], kind: str, depth: int) -> str:
        parts = given.get("filters")
        if given.keys() != {"type", "filters"} or not isinstance(parts, list) or not parts:
            raise Invalid("filters", f"A filter of type {kind!r} has a list of filters, and nothing else.")
        joined = f" {kind.upper()} ".join(self.condition(part, depth + 1) for part in parts)
        return f"({joined})"

    def _comparison(self, given: dict[str, Any], kind: str) -> str:
        key, value = given.get("key"), given.get("value")
        if given.keys() != {"type", "key", "value"} or not isinstance(key, str):
            raise Invalid("filters", "A comparison has type, key and value, and nothing else.")
        if kind in ("in", "nin"):
            if not isinstance(value, list) or len(value) > MOST_LISTED or not all(map(_is_scalar, value)):
                raise Invalid("filters", f"{kind!r} takes a list of at most {MOST_LISTED} texts or numbers.")
            found = f"coalesce({self._at(key)} = ANY({self._put([_json(one) for one in value])}::jsonb[]), false)"
            return found if kind == "in" else f"NOT {found}"
        if not _is_scalar(value):
            raise Invalid("filters", f"{kind[:20]!r} takes a text, a number or a truth value.")
        if kind in ("eq", "ne"):
            found = f"coalesce({self._at(key)} = {self._put(_json(value))}::jsonb, false)"
            return found if kind == "eq" else f"NOT {found}"
        if kind in ORDERED and not isinstance(value, bool):
            sort = "string" if isinstance(value, str) else "number"
            at = self._at(key)
            compared = f"{at} {ORDERED[kind]} {self._put(_json(value))}::jsonb"
            return f"coalesce(jsonb_typeof({at}) = '{sort}' AND {compared}, false)"
        raise Invalid("filters", "A filter's type is eq, ne, gt, gte, lt, lte, in, nin, and or or.")

    def _at(self, key: str) -> str:
        return f"({self._column} -> {self._put(key)})"

    def _put(self, value: Any) -> str:
        name = f"filter_{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _json(value: Any) -> str:
    """1 and 1.0 are equal there, too."""
    return _encode(value).decode()
