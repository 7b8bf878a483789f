"""A task belongs to the request that asked for it: the request's id and its trace travel in the task's headers.

What beat asks for belongs to nobody, and is not traced: it would be a trace a second, of nothing.
"""

import logging
from contextlib import ExitStack
from typing import Any

from celery import signals

from apps.common import tracing
from apps.common.logs import context

REQUEST_ID = "artemis_request_id"
W3C = ("traceparent", "tracestate")
_at_work: dict[str, ExitStack] = {}  # by the task's id


@signals.setup_logging.connect
def keep_our_form(loglevel: int | None = None, **_: Any) -> None:
    """Of logs: Celery would bring its own. Its --loglevel counts."""
    logging.captureWarnings(True)
    if loglevel:
        logging.getLogger().setLevel(loglevel)


@signals.before_task_publish.connect
def send_along(headers: dict[str, Any], **_: Any) -> None:
    if request_id := context.request_id.get():
        headers[REQUEST_ID] = request_id
    if tracing.tracer is not None:
        from apps.common.tracing.spans import headers_of  # noqa: PLC0415 (only where tracing is on)

        headers.update(headers_of())


@signals.worker_process_init.connect
def begin_tracing(**_: Any) -> None:
    """In each child, since what sends the spans is a thread."""
    tracing.begin("artemis-worker")


@signals.worker_process_shutdown.connect
def end_tracing(**_: Any) -> None:
    tracing.end()


@signals.task_prerun.connect
def take_up(task_id: str, task: Any, **_: Any) -> None:
    given = task.request.headers or {}
    stack = _at_work[task_id] = ExitStack()
    for variable, value in ((context.request_id, given.get(REQUEST_ID, "")), (context.task, task.name)):
        stack.callback(variable.reset, variable.set(value))
    if tracing.tracer is not None and given.get(W3C[0]):
        from apps.common.tracing.tasks import running  # noqa: PLC0415 (only where tracing is on)

        stack.enter_context(running(task.name, {name: given[name] for name in W3C if name in given}))


@signals.task_failure.connect
def note_failure(exception: BaseException, **_: Any) -> None:
    if tracing.tracer is not None:
        from apps.common.tracing.tasks import failed  # noqa: PLC0415 (only where tracing is on)

        failed(exception)


@signals.task_postrun.connect
def lay_down(task_id: str, **_: Any) -> None:
    if stack := _at_work.pop(task_id, None):
        stack.close()
