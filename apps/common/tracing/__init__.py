"""Whether this process traces. We import nothing of OpenTelemetry before it does, and without it a request pays one
comparison: `if tracing.tracer is not None`.

`begin` is for a process that has been forked already, since the exporter has a thread.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

tracer: "Tracer | None" = None
_provider: "TracerProvider | None" = None


def begin(service: str) -> None:
    """Traces from now on, where a collector is named."""
    global tracer, _provider
    if tracer is not None or not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    from apps.common.tracing.exporting import provider_of  # noqa: PLC0415 (OpenTelemetry's SDK takes its time)

    _provider = provider_of(service)
    tracer = _provider.get_tracer("artemis")


def end() -> None:
    """Sends what is left. May wait for a collector, but not for long."""
    global tracer, _provider
    provider, tracer, _provider = _provider, None, None
    if provider is not None:
        provider.shutdown()
