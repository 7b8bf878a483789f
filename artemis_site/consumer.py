"""A worker's consumer that outlives a lost connection to Redis while tasks run. Celery 5.7.0's own ends then: first it
takes nothing more until the last task is done, which may be minutes.
"""

from typing import Any

from celery.worker import consumer


class Consumer(consumer.Consumer):
    task_consumer: Any

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Celery closes what was lost twice, and the second time would hand running tasks back through it: that ends
        the worker (`'NoneType' object has no attribute 'hostname'`), as does each task's acknowledgement, later, over
        a channel without a connection. So nothing is handed back, since the tasks go on, and the old channel
        acknowledges them over a connection of its own.
        """
        lost = self.task_consumer.channel if self.task_consumer else None
        if lost:
            lost.do_restore = False
        super().on_connection_error_after_connected(exc)
        if lost:
            lost.connection = self.app.connection_for_read().transport
