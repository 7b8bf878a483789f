"""Billing periods: counted from an anchor, so that the 31st stays the 31st wherever a month has one."""

import calendar
from datetime import UTC, datetime

from apps.billing.emulator.store import Object

SECONDS = {"day": 86_400, "week": 7 * 86_400}


def after(anchor: int, interval: str, count: int, number: int) -> int:
    """The anchor and `number` periods."""
    if interval in SECONDS:
        return anchor + SECONDS[interval] * count * number
    begin = datetime.fromtimestamp(anchor, UTC)
    months = begin.month - 1 + count * number * (12 if interval == "year" else 1)
    year, month = begin.year + months // 12, months % 12 + 1
    day = min(begin.day, calendar.monthrange(year, month)[1])
    return int(begin.replace(year=year, month=month, day=day).timestamp())


def next_end(anchor: int, recurring: Object, start: int) -> int:
    """The first end of a period after `start`; the anchor may lie ahead of it."""
    number = 0
    interval, count = recurring["interval"], recurring["interval_count"]
    if anchor > start:
        while after(anchor, interval, count, number - 1) > start:
            number -= 1
        return after(anchor, interval, count, number)
    while after(anchor, interval, count, number) <= start:
        number += 1
    return after(anchor, interval, count, number)
