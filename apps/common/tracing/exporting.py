"""OpenTelemetry's SDK, set up: spans go to the collector by OTLP over HTTP, in batches, from a thread.

Its own variables (OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_*) it reads itself.
"""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

# Seconds. A collector that is away must not hold up a process that stops.
TIMEOUT = float(os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT", "3"))


def resource_of(service: str) -> Resource:
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    return Resource.create({**named, "service.namespace": "artemis", "process.pid": os.getpid()})


def processor() -> BatchSpanProcessor:
    return BatchSpanProcessor(OTLPSpanExporter(timeout=TIMEOUT))


def provider_of(service: str) -> TracerProvider:
    """By default all is kept that begins here, and of what began before us, what whoever began it keeps."""
    provider = TracerProvider(resource=resource_of(service), shutdown_on_exit=False)
    provider.add_span_processor(processor())
    return provider
