"""Removes contents that no file has any more."""

import logging

from celery import shared_task

from apps.files.services import remove_contents

logger = logging.getLogger(__name__)


@shared_task(name="files.remove_contents")
def remove_contents_task() -> None:
    if removed := remove_contents():
        logger.info("removed %d contents of deleted files", removed)
