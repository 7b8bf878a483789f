"""The events against all sums that are kept of them, by account, day and model; and events that are not recorded."""

from collections.abc import Iterator, Sequence
from typing import Any

from apps.billing.contracts import Explained, Finding
from apps.billing.services.reconciliation.comparing import Found, Scope, rows_of
from apps.usage.selectors import unrecorded_events

SUMS = (
    "requests",
    "failed_requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "searches",
    "cost",
)
KEPT = ("hours", "days", "charges")
_OF_EVENTS = ", ".join(f"sum({name})" for name in SUMS[2:])
_OF_ROLLUP = ", ".join(f"sum({name})" for name in SUMS)


def _rollup(table: str, day: str, column: str, bound: str) -> str:
    return f"""
        SELECT account_id, {day} AS day, model, service_tier, ARRAY[{_OF_ROLLUP}]::numeric[] AS sums
        FROM {table} WHERE {column} >= %s::{bound} AND {column} < %s::{bound} GROUP BY 1, 2, 3, 4"""  # noqa: S608


_HOUR = "(hour AT TIME ZONE 'UTC')::date"
STATEMENT = f"""
    WITH events AS (
        SELECT account_id, (started_at AT TIME ZONE 'UTC')::date AS day, model, service_tier,
          ARRAY[count(*), count(*) FILTER (WHERE outcome = 'failed'), {_OF_EVENTS}]::numeric[] AS sums
        FROM usage_usageevent WHERE started_at >= %s AND started_at < %s GROUP BY 1, 2, 3, 4
    ), hours AS ({_rollup("usage_usagehour", _HOUR, "hour", "timestamptz")}
    ), days AS ({_rollup("usage_usageday", "day", "day", "date")}
    ), charges AS ({_rollup("usage_usagecharge", _HOUR, "hour", "timestamptz")}
    ), joined AS (
        SELECT account_id, day, model, service_tier,
          e.sums AS events, h.sums AS hours, d.sums AS days, c.sums AS charges
        FROM events e
        FULL JOIN hours h USING (account_id, day, model, service_tier)
        FULL JOIN days d USING (account_id, day, model, service_tier)
        FULL JOIN charges c USING (account_id, day, model, service_tier)
    )
    SELECT counted.number, o.slug, j.day, j.model, j.service_tier, j.events, j.hours, j.days, j.charges
    FROM (SELECT count(*) AS number FROM joined) counted
    LEFT JOIN joined j ON j.events IS DISTINCT FROM j.hours OR j.events IS DISTINCT FROM j.days
      OR j.events IS DISTINCT FROM j.charges
    LEFT JOIN accounts_account o ON o.id = j.account_id
    ORDER BY j.day, o.slug, j.model, j.service_tier"""  # noqa: S608


def events_and_sums(scope: Scope) -> Found:
    rows = rows_of(STATEMENT, [scope.begin, scope.end] * 4)
    found = Found(compared=rows[0][0])
    for _, slug, day, model, tier, events, *kept in rows:
        if day is None:  # nothing differs
            continue
        for name, sums in zip(KEPT, kept, strict=True):
            found.findings += _differences(f"{name}_not_their_events", f"{slug} {day} {model} {tier}", events, sums)
    return found


def _differences(what: str, where: str, events: Sequence[Any] | None, kept: Sequence[Any] | None) -> Iterator[Finding]:
    """Of the cost where that differs; else of all counts that do."""
    nothing = [0] * len(SUMS)
    by_name = {
        name: int(ours) - int(theirs)
        for name, theirs, ours in zip(SUMS, events or nothing, kept or nothing, strict=True)
    }
    if by_name["cost"]:
        yield Finding(what=what, where=where, difference=by_name["cost"])
        return
    for name, difference in by_name.items():
        if difference:
            yield Finding(what=what, where=where, difference=difference, unit=name)


def events_and_their_way(scope: Scope) -> Found:
    """What gateways have settled and no worker has recorded yet, and what cannot be recorded, whatever its day."""
    waiting, dead = unrecorded_events()
    found = Found(compared=waiting.number + dead.number)
    if waiting.number:
        why = f"{waiting.number} events are in Redis and on their way to PostgreSQL, within seconds"
        found.explained.append(Explained(what="events_waiting", where="art:usage", difference=waiting.cost, why=why))
    if dead.number:
        where = f"{dead.number} events in art:usage:dead"
        found.findings.append(Finding(what="events_that_cannot_be_recorded", where=where, difference=dead.cost))
    return found
