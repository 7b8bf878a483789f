"""Reads what is in flight, what a month has cost so far, and whose key a token is; for synchronous doors."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from apps.common.redis import sync_redis
from apps.gateway.access import checked, hash_of_token
from apps.gateway.admission import STREAM, month_of
from apps.gateway.contracts import Held, Queues, Spending
from apps.keys import selectors as keys
from apps.keys.contracts import KeyFacts
from apps.usage.selectors import spend_since

KEEPS_ALL = "noeviction"


def open_holds(*, key_ids: Iterable[int]) -> int:
    """Requests of these keys that are admitted and not yet settled."""
    pipeline = sync_redis().pipeline(transaction=False)
    for key_id in key_ids:
        pipeline.zcard(f"art:open:key:{key_id}")
    return sum(pipeline.execute())


def held_of_account(*, account_id: int) -> Held | None:
    """None where Redis does not answer."""
    try:
        pipeline = sync_redis().pipeline(transaction=False)
        pipeline.zcard(f"art:open:account:{account_id}")
        pipeline.get(f"art:held:account:{account_id}")
        requests, amount = pipeline.execute()
    except RedisError:
        return None
    return Held(requests=requests, amount=int(amount or 0))


def queues() -> Queues:
    """Raises RedisError where Redis does not answer."""
    pipeline = sync_redis().pipeline(transaction=False)
    pipeline.zcard("art:holds")
    pipeline.xlen(STREAM)
    pipeline.xlen(f"{STREAM}:dead")
    pipeline.info("memory")
    pipeline.xrange(STREAM, count=1)
    holds, pending, dead, memory, oldest = pipeline.execute()
    return Queues(
        holds=holds,
        pending_events=pending,
        dead_events=dead,
        memory=memory["used_memory"],
        memory_limit=memory.get("maxmemory", 0),
        evicts=evicts(memory),
        oldest_event=int(oldest[0][0].partition(b"-")[0]) / 1000 if oldest else None,
    )


def evicts(memory: Mapping[str, Any]) -> bool:
    """Whether a Redis with this INFO would, out of room, throw away holds and counters of what was spent."""
    return str(memory.get("maxmemory_policy", KEEPS_ALL)) != KEEPS_ALL


def key_of_token(*, token: str, address: str) -> KeyFacts:
    """The key that a token proves, by the gateway's own rules. Raises Unauthenticated or Forbidden."""
    return checked(keys.facts_of_secret(secret_hash=hash_of_token(token)), address)


def spending_of_key(*, key_id: int) -> Spending:
    """This month's (UTC), by the counters that admission goes by; by PostgreSQL where there are none."""
    now = datetime.now(UTC)
    try:
        counted, held = sync_redis().mget(f"art:spent:key:{key_id}:{month_of(now)}", f"art:held:key:{key_id}")
    except RedisError:
        counted = held = None
    first = now.date().replace(day=1)
    spent = spend_since(since=first, scope="api_key", identifier=key_id) if counted is None else int(counted)
    return Spending(spent=spent, held=int(held or 0))
