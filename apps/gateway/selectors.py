"""Reads what is in flight, what a month has cost so far, and whose key a token is; for synchronous doors."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from redis.exceptions import RedisError

from apps.common.errors import Unauthenticated
from apps.common.redis import sync_redis
from apps.gateway.access import INVALID_KEY, checked
from apps.gateway.admission import STREAM, month_of
from apps.gateway.contracts import Queues, Spending
from apps.keys import selectors as keys
from apps.keys.contracts import KeyFacts
from apps.keys.tokens import is_well_formed, token_hash
from apps.usage.selectors import spend_since


def open_holds(*, key_ids: Iterable[int]) -> int:
    """Requests of these keys that are admitted and not yet settled."""
    pipeline = sync_redis().pipeline(transaction=False)
    for key_id in key_ids:
        pipeline.zcard(f"art:open:{key_id}")
    return sum(pipeline.execute())


def queues() -> Queues:
    """Raises RedisError where Redis does not answer."""
    pipeline = sync_redis().pipeline(transaction=False)
    pipeline.zcard("art:holds")
    pipeline.xlen(STREAM)
    pipeline.xlen(f"{STREAM}:dead")
    holds, pending, dead = pipeline.execute()
    return Queues(holds=holds, pending_events=pending, dead_events=dead)


def key_of_token(*, token: str, address: str) -> KeyFacts:
    """The key that a token proves, by the gateway's own rules. Raises Unauthenticated or Forbidden."""
    if not is_well_formed(token):
        raise Unauthenticated(INVALID_KEY)
    return checked(keys.facts_of_secret(secret_hash=token_hash(token)), address)


def spending_of_key(*, key_id: int) -> Spending:
    """This month's (UTC), by the counters that admission goes by; by PostgreSQL where there are none."""
    now = datetime.now(UTC)
    try:
        spent, held = sync_redis().mget(f"art:spent:key:{key_id}:{month_of(now)}", f"art:held:key:{key_id}")
    except RedisError:
        spent = held = None
    if spent is None:
        spent = spend_since(since=date(now.year, now.month, 1), scope="api_key", identifier=key_id)
    return Spending(spent=int(spent), held=int(held or 0))
