"""Figures that workers read from PostgreSQL and leave in Redis for /metrics, which answers while PostgreSQL is away."""

import time
from typing import Any, cast

from apps.common.redis import sync_redis

FIGURES = "art:figures"
LAST_TOLD = "told_at"


def tell(**figures: float) -> None:
    """Overwrites figures of these names. Raises RedisError."""
    told: dict[Any, Any] = {**figures, LAST_TOLD: time.time()}
    sync_redis().hset(FIGURES, mapping=told)


def told() -> dict[str, float]:
    """Empty where nothing was told yet. Raises RedisError."""
    found = cast("dict[bytes, bytes]", sync_redis().hgetall(FIGURES))
    return {name.decode(): float(value) for name, value in found.items()}
