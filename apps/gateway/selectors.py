"""Reads what is in flight."""

from collections.abc import Iterable

from apps.common.redis import sync_redis


def open_holds(*, key_ids: Iterable[int]) -> int:
    """Requests of these keys that are admitted and not yet settled."""
    pipeline = sync_redis().pipeline(transaction=False)
    for key_id in key_ids:
        pipeline.zcard(f"art:open:{key_id}")
    return sum(pipeline.execute())
