"""What engines counted against what the events say that they delivered, by engine and day.

An engine that counted less than was billed of its whole answers is an alarm. That it counted more is as it should be,
to some extent, and is told with its size.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from apps.billing.contracts import Explained, Finding
from apps.billing.services.reconciliation.comparing import Found, Scope, SkippedError, rows_of
from apps.catalog.contracts import EngineCount
from apps.catalog.selectors import engine_counts

CLOCKS_DIFFER = timedelta(seconds=5)  # at most: gateways' and workers' machines have clocks of their own
MOST_RESTARTS = 3  # in a day; more look like several engines behind one address, whose counters cannot be followed

# Inside: answers that were completed within the span, by this engine alone, and that it counted itself; their cached
# input apart, for not every engine counts it. Not inside: others that it had a part in.
EVENTS = """
    WITH spans AS (
        SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[]) AS s(number, from_at, until_at)
    ), places AS (
        SELECT * FROM unnest(%s::int[], %s::text[]) AS p(number, deployment)
    ), events AS (
        SELECT place.name, e.deployment = place.name AND e.outcome = 'completed' AND NOT e.estimated AS is_whole,
          e.started_at, e.started_at + e.duration_ms * interval '1 millisecond' AS ended_at,
          e.input_tokens, e.cached_input_tokens, e.output_tokens
        FROM usage_usageevent e CROSS JOIN LATERAL unnest(string_to_array(e.deployment, '+')) AS place(name)
        WHERE e.started_at >= (SELECT min(from_at) - interval '1 day' FROM spans)
          AND e.started_at <= (SELECT max(until_at) FROM spans)
    ), joined AS (
        SELECT s.number, e.*,
          e.is_whole AND e.started_at >= s.from_at + %s AND e.ended_at <= s.until_at - %s AS is_inside
        FROM spans s
        JOIN places p USING (number)
        JOIN events e ON e.name = p.deployment AND e.started_at <= s.until_at + %s AND e.ended_at >= s.from_at - %s
    )
    SELECT number,
      coalesce(sum(input_tokens - cached_input_tokens) FILTER (WHERE is_inside), 0),
      coalesce(sum(cached_input_tokens) FILTER (WHERE is_inside), 0),
      coalesce(sum(output_tokens) FILTER (WHERE is_inside), 0),
      coalesce(sum(input_tokens) FILTER (WHERE NOT is_inside), 0),
      coalesce(sum(output_tokens) FILTER (WHERE NOT is_inside), 0)
    FROM joined GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class Billed:
    """Tokens of the events of one span: of whole answers, and of others that the engine had a part in."""

    prompt: int = 0
    cached: int = 0
    output: int = 0
    more_prompt: int = 0
    more_output: int = 0


def engines_and_events(scope: Scope) -> Found:
    counts = engine_counts(since=scope.first, until=scope.last)
    if not counts:
        raise SkippedError("No counters of engines were kept on these days: no engine of our own told any")
    followed, restless = _followed(counts)
    found = Found(compared=len({(one.engine, one.day) for one in followed}))
    if restless:
        found.note = "Not compared, for their counters began anew again and again: " + ", ".join(restless)
    billed = _billed(followed)
    by_day: dict[tuple[str, str], list[tuple[EngineCount, Billed]]] = defaultdict(list)
    for number, one in enumerate(followed):
        by_day[one.engine, str(one.day)].append((one, billed.get(number, Billed())))
    for (engine, day), pairs in by_day.items():
        _compare(found, f"{engine} {day}", pairs)
    return found


def _followed(counts: Iterable[EngineCount]) -> tuple[list[EngineCount], list[str]]:
    """The spans of engines that stayed up, and where the others were."""
    counts = list(counts)
    begun = Counter((one.engine, one.day) for one in counts if not one.goes_on)
    restless = {where for where, times in begun.items() if times > MOST_RESTARTS}
    followed = [one for one in counts if (one.engine, one.day) not in restless and one.until_at > one.from_at]
    return followed, [f"{engine} on {day}" for engine, day in sorted(restless)]


def _billed(counts: list[EngineCount]) -> dict[int, Billed]:
    places = [(number, name) for number, one in enumerate(counts) for name in one.deployments]
    rows = rows_of(
        EVENTS,
        [
            list(range(len(counts))),
            [one.from_at for one in counts],
            [one.until_at for one in counts],
            [number for number, _ in places],
            [name for _, name in places],
            *[CLOCKS_DIFFER] * 4,
        ],
    )
    return {int(number): Billed(*map(int, sums)) for number, *sums in rows}


def _compare(found: Found, where: str, pairs: list[tuple[EngineCount, Billed]]) -> None:
    """Each span for itself where something is missing, so that one cannot make up for another."""
    for unit, less in (
        ("prompt_tokens", sum(min(0, one.prompt_tokens - billed.prompt) for one, billed in pairs)),
        ("output_tokens", sum(min(0, one.output_tokens - billed.output) for one, billed in pairs)),
    ):
        if less:
            found.findings.append(Finding(what="engine_counted_less", where=where, difference=less, unit=unit))
    for unit, more, partly in (
        (
            "prompt_tokens",
            sum(max(0, one.prompt_tokens - billed.prompt - billed.cached) for one, billed in pairs),
            sum(billed.more_prompt for _, billed in pairs),
        ),
        (
            "output_tokens",
            sum(max(0, one.output_tokens - billed.output) for one, billed in pairs),
            sum(billed.more_output for _, billed in pairs),
        ),
    ):
        if more:
            why = (
                f"the engine counted more than the whole answers that it gave: {min(more, partly):,} tokens may be of "
                "answers that were cut off, shared with another engine, or under way as the looking began or ended; "
                f"{max(0, more - partly):,} are of tries that failed, of health checks, or of requests that came past "
                "Artemis"
            )
            found.explained.append(
                Explained(what="engine_counted_more", where=where, difference=more, unit=unit, why=why)
            )
