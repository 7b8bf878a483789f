"""Stores what gateways heard, and deletes what has expired."""

import logging

from celery import shared_task

from apps.prompts import services

# Well below what a task may take; the next one goes on.
STORE_SECONDS = 30.0
logger = logging.getLogger(__name__)


@shared_task(name="prompts.store_waiting")
def store_waiting() -> None:
    services.store_waiting(seconds=STORE_SECONDS)


@shared_task(name="prompts.delete_expired")
def delete_expired() -> None:
    if deleted := services.delete_expired():
        logger.info("deleted %d logged prompts that had expired", deleted)
