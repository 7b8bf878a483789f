"""Sweeps up after gateways that died with requests in flight."""

import logging

from celery import shared_task

from apps.common.redis import sync_redis
from apps.gateway.admission import script

BATCH = 1000
logger = logging.getLogger(__name__)


@shared_task(name="gateway.release_expired_holds")
def release_expired_holds() -> None:
    """Releases holds whose lease has run out: nobody will settle them any more."""
    _, text = script("release_expired")
    while released := int(sync_redis().eval(text, 0, BATCH)):
        logger.warning("released %d holds of requests that were never settled", released)
        if released < BATCH:
            return
