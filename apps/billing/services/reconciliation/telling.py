"""Lets Prometheus know of the last reconciliation, by way of Redis: workers' gauges are not scraped."""

import logging
from typing import Any

from django.utils import timezone
from redis.exceptions import RedisError

from apps.billing.contracts import Reconciled
from apps.billing.selectors import LAST_RECONCILIATION
from apps.common.redis import sync_redis

logger = logging.getLogger(__name__)


def tell_metrics(reconciled: Reconciled) -> None:
    failed = sum(check.state == "failed" for check in reconciled.checks)
    told: dict[Any, Any] = {
        "findings": len(reconciled.findings),
        "failed_checks": failed,
        "ended_at": int(timezone.now().timestamp()),
    }
    try:
        sync_redis().hset(LAST_RECONCILIATION, mapping=told)
    except RedisError:
        logger.warning("Redis is away: Prometheus does not know of this reconciliation")
