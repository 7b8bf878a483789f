"""Connections to Redis: one for synchronous code, one per event loop for the gateway."""

from functools import cache

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


@cache
def sync_redis() -> "redis.Redis":
    """For services, tasks and commands. A second is long for Redis: past it, it is away."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def async_redis(*, connections: int = 64) -> "redis.asyncio.Redis":
    """For the gateway, made once per worker process, after the fork."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=connections,
        timeout=1,
        socket_timeout=1,
        socket_connect_timeout=1,
        # Connections of the pool that a restart of Redis has cut fail when they are next used: then they are made anew.
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[redis.ConnectionError],
    )
    return redis.asyncio.Redis.from_pool(pool)  # closing it closes the pool's connections, too
