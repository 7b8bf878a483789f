"""Deletes responses a month after they were made."""

import logging

from celery import shared_task

from apps.responses.services import delete_expired

logger = logging.getLogger(__name__)


@shared_task(name="responses.delete_expired")
def delete_expired_task() -> None:
    if deleted := delete_expired():
        logger.info("deleted %d responses that were a month old", deleted)
