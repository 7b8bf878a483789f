"""Spans, and the trace's ids on the lines that are logged meanwhile. Imported only where tracing is on.

A span says what happened by names and numbers that are ours: never by an error's text, which may quote a prompt.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from apps.common import tracing
from apps.common.logs.context import trace

_w3c = TraceContextTextMapPropagator()


def parent_of(headers: Mapping[str, str]) -> Context:
    """The trace that a request or a task says it belongs to; a new one where it says nothing, or nonsense."""
    return _w3c.extract(headers, context=Context())


def headers_of(span: Span | None = None) -> dict[str, str]:
    """The same, to be passed on: of this span, else of the one that runs; empty without any."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, context=None if span is None else set_span_in_context(span))
    return carrier


def start(name: str, kind: SpanKind = SpanKind.INTERNAL, *, parent: Context | None = None, **attributes: Any) -> Span:
    """A span that its maker ends; dots of attributes' names are given as two underscores."""
    if tracing.tracer is None:  # it ended meanwhile
        return get_current_span()
    told = {name.replace("__", "."): value for name, value in attributes.items() if value not in (None, "")}
    return tracing.tracer.start_span(name, parent, kind, told)


def fail(span: Span, error_type: str) -> None:
    """Changes nothing of a span that has ended."""
    if span.is_recording():
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))


def finish(span: Span) -> None:
    """For one that may have ended already."""
    if span.is_recording():
        span.end()


def name_of(error: BaseException) -> str:
    """What kind of error, in words of ours: its code where it has one."""
    return getattr(error, "code", None) or type(error).__name__


@contextmanager
def at_work(span: Span, *, ends: bool = True) -> Iterator[Span]:
    """Whatever is begun inside belongs to the span, which ends with it, or with its failure at the latest."""
    ids = span.get_span_context()
    token = context.attach(set_span_in_context(span))
    logged = trace.set((f"{ids.trace_id:032x}", f"{ids.span_id:016x}"))
    try:
        yield span
    except BaseException as error:
        fail(span, name_of(error))
        ends = True
        raise
    finally:
        trace.reset(logged)
        context.detach(token)
        if ends:
            finish(span)
