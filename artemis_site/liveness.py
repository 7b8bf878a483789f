"""A worker and beat show that they do their work, each by touching a file, for `python -m deploy.alive` to look at.

A worker's process may live and take nothing from its queues any more, as happened to others after their broker came
back (celery #8030, #9054, #10205). So it sends a task to itself, through Redis, and one of its children touches the
file.
"""

from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler
from celery.worker import state
from django.conf import settings

from apps.common.queue import enqueue

CANARY = "canary"  # the task, in artemis_site/celery.py


class Canary(bootsteps.StartStopStep):
    """Of a worker's consumer, which is made anew with each connection to Redis."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    timer: Any = None

    def start(self, consumer: Any) -> None:
        queue = f"{CANARY}.{consumer.hostname}"
        consumer.add_task_queue(queue, auto_delete=True)
        self.timer = consumer.timer.call_repeatedly(settings.WORKER_CANARY_SECONDS, sing, (consumer, queue))

    def stop(self, consumer: Any) -> None:
        if self.timer:
            self.timer.cancel()


def sing(consumer: Any, queue: str) -> None:
    """Where every child has work, that is proof enough: Celery itself ends those that take too long."""
    if len(state.active_requests) >= consumer.pool.num_processes:
        settings.WORKER_ALIVE_FILE.touch()
    else:
        enqueue(CANARY, queue=queue, expires=settings.WORKER_CANARY_SECONDS)


class Scheduler(PersistentScheduler):
    """Beat's own. What is due every second makes it tick as often."""

    def tick(self, *arguments: Any, **named: Any) -> Any:
        settings.BEAT_ALIVE_FILE.touch()
        return super().tick(*arguments, **named)
