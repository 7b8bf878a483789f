"""Deletes responses a month after they were made, and sooner those of accounts that keep too many."""

import logging

from celery import shared_task

from apps.responses.services import delete_expired, make_room

logger = logging.getLogger(__name__)


@shared_task(name="responses.delete_expired")
def delete_expired_task() -> None:
    if deleted := delete_expired():
        logger.info("deleted %d responses that were a month old", deleted)


@shared_task(name="responses.make_room")
def make_room_task() -> None:
    if deleted := make_room():
        logger.warning("deleted %d responses of accounts that keep more than they may", deleted)
