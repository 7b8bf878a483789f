"""Asks for a task by its name, once what it is about is committed."""

import logging

import kombu.exceptions
from celery import current_app

logger = logging.getLogger(__name__)


def enqueue(task: str) -> None:
    """Beat must ask for it as well, every few seconds, should the queue be away."""
    try:
        current_app.send_task(task, retry=False)
    except kombu.exceptions.OperationalError:
        logger.warning("Redis is away: %s was not enqueued", task)
