"""What a process is at work on, for every line that it logs meanwhile: a request's id, a task."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
task: ContextVar[str] = ContextVar("task", default="")
trace: ContextVar[tuple[str, str]] = ContextVar("trace", default=("", ""))
"""The ids of the trace and of the span, where this request or task is traced."""


def known() -> dict[str, str]:
    """Of these, what there is."""
    trace_id, span_id = trace.get()
    found = {"request_id": request_id.get(), "task": task.get(), "trace_id": trace_id, "span_id": span_id}
    return {name: value for name, value in found.items() if value}
