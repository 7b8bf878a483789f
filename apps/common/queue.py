"""Asks for a task by its name, once what it is about is committed."""

import logging
from typing import Any

import kombu.exceptions
from celery import current_app
from redis.exceptions import RedisError

# Seconds. Celery's own connections wait for ever for a Redis that is frozen, and would take a thread with them.
PATIENCE = {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0, "connect_retries_timeout": 1}
logger = logging.getLogger(__name__)


def enqueue(task: str, **options: Any) -> None:
    """Something must ask for it as well, every few seconds, should the queue be away: beat, as a rule.

    `options`: Celery's, such as `queue` and `expires` (seconds).
    """
    try:
        with current_app.connection_for_write(transport_options=PATIENCE) as connection:
            current_app.send_task(task, retry=False, connection=connection, **options)
    except (kombu.exceptions.OperationalError, RedisError):
        logger.warning("Redis is away: %s was not enqueued", task)
