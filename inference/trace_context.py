"""The trace that a request to an engine belongs to, in W3C's form, for the engine to go on with; empty without."""

from contextvars import ContextVar

traceparent: ContextVar[bytes] = ContextVar("traceparent", default=b"")
