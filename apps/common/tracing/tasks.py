"""The span of a task, within the trace of the request that asked for it. Imported only where tracing is on."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind, get_current_span

from apps.common.tracing.spans import at_work, fail, name_of, parent_of, start


def running(task: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """For as long as the task runs; `headers`: those that it was sent with."""
    attributes = {"messaging__system": "celery", "messaging__operation__type": "process"}
    return at_work(start(f"run {task}", SpanKind.CONSUMER, parent=parent_of(headers), **attributes))


def failed(error: BaseException) -> None:
    """The task that runs has failed."""
    fail(get_current_span(), name_of(error))
