"""What gateways count in Redis of each key, project and account, read together with what the counters ought to be.

The scripts of the gateway (apps/gateway/lua) write them: `art:spent:<scope>:<period>` with each settlement, and
`art:held:<scope>` while a request is open. A scope is "key:7", a period "202611" or "total".
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.db.models import Sum
from django.db.models.functions import TruncMonth

from apps.common.redis import sync_redis
from apps.usage.contracts import CountedHolds, CountedSpending
from apps.usage.models import UsageDay, UsageRequest
from apps.usage.services import DEAD_STREAM, STREAM, no_drain

SPENT, HELD = "art:spent:", "art:held:"
CHUNK = 1000
TOTAL = "total"
_COLUMNS = {"key": "api_key_id", "project": "project_id", "account": "account_id"}
_SPENT_NAME = re.compile(rf"{SPENT}((?:key|project|account):\d+):(\d{{6}}|{TOTAL})")
_HELD_NAME = re.compile(rf"{HELD}((?:key|project|account):\d+)")

# The records of all holds whose lease is known, and the named counters at the same moment.
READ_HOLDS = """
local records, ids = {}, redis.call('ZRANGE', 'art:holds', 0, -1)
for _, id in ipairs(ids) do
  local record = redis.call('GET', 'art:hold:' .. id)
  if record then records[#records + 1] = record end
end
local counted = {}
for i, name in ipairs(KEYS) do counted[i] = redis.call('GET', name) or '0' end
return {records, counted}
"""

Counter = tuple[str, str]
"""A scope and a period."""
Sums = dict[Counter, int]


def spending_counters() -> list[Counter]:
    """Those that there are. Raises RedisError."""
    names = sync_redis().scan_iter(f"{SPENT}*", count=CHUNK)
    found = {match.groups() for name in names if (match := _SPENT_NAME.fullmatch(name.decode()))}
    return cast("list[Counter]", sorted(found))


def doubtful_counters(counters: Collection[Counter]) -> list[Counter]:
    """Those that are not what is recorded, or to which an event on its way belongs: nearly all others are right.

    Holds nothing up, and so may doubt one that is right. Raises RedisError.
    """
    moving = {counter for event in _events(STREAM) for counter in event.counters}
    doubtful = []
    for chunk in _chunks(counters):
        recorded = _recorded(chunk)
        for counter, value in zip(chunk, sync_redis().mget(map(_name, chunk)), strict=True):
            if value is not None and (counter in moving or int(value) != recorded.get(counter, 0)):
                doubtful.append(counter)
    return doubtful


def spending_counted(counters: Collection[Counter]) -> list[CountedSpending]:
    """What these have counted, and what is recorded or waits, all of one moment; those that are no more are left out.

    Nothing is recorded meanwhile; what is settled meanwhile stands in the stream, which is read together with the
    counters. Raises RedisError.
    """
    found = []
    with no_drain():
        waiting = _Waiting()
        for chunk in _chunks(counters):
            recorded = _recorded(chunk)
            for counter, value in zip(chunk, waiting.read_with(map(_name, chunk)), strict=True):
                if value is not None:
                    found.append((counter, int(value), recorded.get(counter, 0), waiting.sums.get(counter, 0)))
    dead = _costs_of_dead()
    return [
        CountedSpending(
            scope=counter[0],
            period=counter[1],
            counted=counted,
            recorded=recorded_cost,
            waiting=waiting_cost,
            unrecordable=tuple(dead.get(counter, ())),
        )
        for counter, counted, recorded_cost, waiting_cost in found
    ]


def holds_counted(scopes: Collection[str] | None = None) -> list[CountedHolds]:
    """What is held by all scopes, or by these, and what the open requests hold, of one moment. Raises RedisError."""
    names = [f"{HELD}{scope}" for scope in scopes] if scopes is not None else _held_counters()
    records, values = cast("tuple[list[bytes], list[bytes]]", sync_redis().eval(READ_HOLDS, len(names), *names))
    counted = dict(zip(names, map(int, values), strict=True))
    requests, held = _held_by(records)
    wanted = {name.removeprefix(HELD) for name in names} | (held.keys() if scopes is None else set())
    return [
        CountedHolds(
            scope=scope,
            counted=counted.get(f"{HELD}{scope}", 0),
            held=held.get(scope, 0),
            requests=requests.get(scope, 0),
        )
        for scope in sorted(wanted)
    ]


def _held_counters() -> list[str]:
    names = map(bytes.decode, sync_redis().scan_iter(f"{HELD}*", count=CHUNK))
    return sorted({name for name in names if _HELD_NAME.fullmatch(name)})


def _held_by(records: Iterable[bytes]) -> tuple[dict[str, int], dict[str, int]]:
    """Requests and nano-dollars by scope. A record begins "nano-dollars tokens scope,…" (apps/gateway/lua/hold.lua)."""
    requests: dict[str, int] = defaultdict(int)
    held: dict[str, int] = defaultdict(int)
    for record in records:
        amount, _, scopes, *_ = record.decode().split(" ")
        for scope in scopes.split(","):
            requests[scope] += 1
            held[scope] += int(amount)
    return requests, held


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """What a settled request cost, and the counters that it moved."""

    request_id: str
    cost: int
    counters: list[Counter]


class _Waiting:
    """What stands in the stream and is not recorded, up to the last look at it. To be used while nothing is drained."""

    def __init__(self) -> None:
        self.sums: Sums = defaultdict(int)
        self._known: set[str] = set()
        self._last = "-"
        while entries := _page(STREAM, self._last):
            self._add(entries)

    def read_with(self, names: Iterable[str]) -> list[bytes | None]:
        """These counters, and what came into the stream until this very moment."""
        together = sync_redis().pipeline(transaction=True)
        together.mget(names)
        together.xrange(STREAM, self._last)
        counted, entries = together.execute()
        self._add(entries)
        return cast("list[bytes | None]", counted)

    def _add(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        if not entries:
            return
        self._last = f"({entries[-1][0].decode()}"
        events = {event.request_id: event for event in counted_events(entries) if event.request_id not in self._known}
        recorded = set(UsageRequest.objects.filter(pk__in=events).values_list("pk", flat=True))
        self._known |= events.keys()
        for event in events.values():
            if event.request_id not in recorded:
                for counter in event.counters:
                    self.sums[counter] += event.cost


def _page(stream: str, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", sync_redis().xrange(stream, after, count=CHUNK))


def _events(stream: str) -> Iterator[CountedEvent]:
    after = "-"
    while entries := _page(stream, after):
        yield from counted_events(entries)
        after = f"({entries[-1][0].decode()}"


def counted_events(entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[CountedEvent]:
    """What is no event at all has moved no counter that could be named."""
    for _, fields in entries:
        try:
            event: Any = json.loads(fields.get(b"event", b""))
            month = event["started_at"][:7].replace("-", "")
            scopes = [f"{kind}:{int(event[kind])}" for kind in _COLUMNS]
            counters = [(scope, period) for scope in scopes for period in (month, TOTAL)]
            yield CountedEvent(event["request_id"], int(event["cost"]), counters)
        except (ValueError, TypeError, KeyError):
            continue


def _costs_of_dead() -> dict[Counter, list[int]]:
    costs: dict[Counter, list[int]] = defaultdict(list)
    for event in _events(DEAD_STREAM):
        for counter in event.counters:
            costs[counter].append(event.cost)
    return costs


def _recorded(counters: Iterable[Counter]) -> Sums:
    """By the sums of days; those that nothing was spent on are left out."""
    by_kind: dict[str, set[int]] = defaultdict(set)
    for scope, _ in counters:
        kind, _, identifier = scope.partition(":")
        by_kind[kind].add(int(identifier))
    sums: Sums = defaultdict(int)
    for kind, identifiers in by_kind.items():
        column = _COLUMNS[kind]
        rows = UsageDay.objects.filter(**{f"{column}__in": identifiers}).order_by()
        for identifier, month, cost in rows.values_list(column, TruncMonth("day")).annotate(cost=Sum("cost")):
            sums[f"{kind}:{identifier}", f"{month:%Y%m}"] += cost
            sums[f"{kind}:{identifier}", TOTAL] += cost
    return sums


def _chunks(counters: Collection[Counter]) -> Iterator[list[Counter]]:
    every = list(counters)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]


def _name(counter: Counter) -> str:
    return f"{SPENT}{counter[0]}:{counter[1]}"
