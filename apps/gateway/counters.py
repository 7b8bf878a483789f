"""Begins counters of what was spent, exactly: from PostgreSQL, and from what waits in Redis to be recorded there."""

from datetime import date, timedelta
from typing import cast

from apps.common.redis import sync_redis
from apps.gateway.admission import STREAM, script
from apps.gateway.limits import TOTAL
from apps.usage.selectors import counted_events, recorded_requests, spend_since
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
        moved = (event for event in counted_events(waiting) if (scope, period) in event.counters)
        costs = {event.request_id: event.cost for event in moved}
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
