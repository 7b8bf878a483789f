"""nginx' own span of a request, by its line: between the caller's span and the gateway's, which has its id already.

Whether it is kept is asked of OpenTelemetry's sampler as the gateway asks it, of the traceparent that the gateway got:
with the same OTEL_TRACES_SAMPLER both keep the same. Imported only where a collector is named.
"""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from apps.common.tracing.exporting import processor, resource_of
from deploy.eyes.lines import Line

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/2.0": "2"}
SCOPE = InstrumentationScope("artemis.edge")
MILLISECOND = 1_000_000


class Spans:
    def __init__(self) -> None:
        self.resource = resource_of("artemis-edge")
        self.sampler = TracerProvider(resource=self.resource, shutdown_on_exit=False).sampler
        self.processor = processor()

    def tell(self, line: Line) -> None:
        if not line.span:
            return
        told = TraceContextTextMapPropagator().extract({"traceparent": line.traceparent})
        own = get_current_span(told).get_span_context()
        name = f"{method(line)} {line.route}"
        if not own.is_valid or self.sampler.should_sample(told, own.trace_id, name).decision is Decision.DROP:
            return
        self.processor.on_end(self.made(line, name, own.trace_id, own.span_id))

    def made(self, line: Line, name: str, trace: int, span: int) -> ReadableSpan:
        """nginx' clock tells milliseconds, cut off: the span ends with the last of its last one."""
        kept = TraceFlags(TraceFlags.SAMPLED)
        end = round(line.ended * 1000) * MILLISECOND
        failed = line.status >= 500
        return ReadableSpan(
            name,
            context=SpanContext(trace, span, is_remote=False, trace_flags=kept),
            parent=SpanContext(trace, int(line.parent, 16), is_remote=True, trace_flags=kept) if line.parent else None,
            resource=self.resource,
            attributes=attributes(line),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
            start_time=end - round(line.seconds * 1000) * MILLISECOND,
            end_time=end + MILLISECOND,
            instrumentation_scope=SCOPE,
        )

    def end(self) -> None:
        self.processor.shutdown()  # type: ignore[no-untyped-call]


def method(line: Line) -> str:
    return line.method if line.method in METHODS else "_OTHER"


def attributes(line: Line) -> dict[str, str | int]:
    """The path is what the log has of it: words alone, no id, no query."""
    told: dict[str, str | int] = {
        "http.request.method": method(line),
        "http.response.status_code": line.status,
        "url.path": line.path,
        "network.protocol.version": VERSIONS.get(line.http, ""),
        "artemis.edge.plane": line.at,
        "artemis.edge.outcome": line.outcome,
        "artemis.request.id": line.request_id,
    }
    if line.status >= 500:
        told["error.type"] = str(line.status)
    return told
