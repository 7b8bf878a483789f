"""Begins counters of what was spent, exactly: from PostgreSQL, and from what waits in Redis to be recorded there."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, cast

from apps.common.redis import sync_redis
from apps.gateway.admission import STREAM, script
from apps.gateway.limits import TOTAL
from apps.usage.selectors import recorded_requests, spend_since
from apps.usage.services import no_drain

COUNTER_SECONDS = 100 * 24 * 3600
_COLUMNS = {"key": "api_key", "project": "project", "account": "account"}


def begin_counter(scope: str, period: str, *, anew: bool = False) -> None:
    """Sets what a scope ("key:7") has spent in a period ("202611", or "total"). One that is there stays, but `anew`.

    Nothing is recorded meanwhile, and what is settled meanwhile is counted by the script itself, so that traffic goes
    on and no request counts twice or not at all. Raises RedisError.
    """
    kind, _, identifier = scope.partition(":")
    month = "" if period == TOTAL else f"{period[:4]}-{period[4:]}"
    first = date.fromisoformat(f"{month}-01") if month else None
    end = (first + timedelta(days=31)).replace(day=1) if first else None
    with no_drain():
        recorded = spend_since(since=first, until=end, scope=_COLUMNS[kind], identifier=int(identifier))  # type: ignore[arg-type]
        waiting = cast("list[tuple[bytes, dict[bytes, bytes]]]", sync_redis().xrange(STREAM))
        costs = dict(_costs((fields.get(b"event", b"") for _, fields in waiting), kind, int(identifier), month))
        known = recorded_requests(request_ids=costs)
        spent = recorded + sum(cost for request_id, cost in costs.items() if request_id not in known)
        last = waiting[-1][0] if waiting else b"0-0"
        _, text = script("begin")
        sync_redis().eval(
            text,
            0,
            f"art:spent:{scope}:{period}",
            str(spent),
            COUNTER_SECONDS,
            last,
            kind,
            identifier,
            month,
            int(anew),
        )


def rebuild_counter(scope: str, period: str) -> None:
    """Makes a counter anew that is there; one that is not begins when an admission next needs it. Raises RedisError."""
    if sync_redis().exists(f"art:spent:{scope}:{period}"):
        begin_counter(scope, period, anew=True)


def _costs(events: Iterable[bytes], kind: str, identifier: int, month: str) -> Iterable[tuple[str, int]]:
    """(request, cost) of those of the scope and month ("2026-11", "" for any).

    What cannot be read is set aside as it is recorded.
    """
    for text in events:
        try:
            event: Any = json.loads(text)
            if event[kind] == identifier and month in ("", event["started_at"][:7]):
                yield event["request_id"], int(event["cost"])
        except (ValueError, TypeError, KeyError):
            continue
