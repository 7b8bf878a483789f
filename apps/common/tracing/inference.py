"""What a trace says of a request to a model, by OpenTelemetry's conventions. Imported only where tracing is on."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from opentelemetry.trace import Span, SpanKind, get_current_span

from apps.common.tracing.spans import at_work, fail, finish, headers_of, name_of, start
from inference.errors import EngineRefused
from inference.trace_context import traceparent

Result = TypeVar("Result")


@contextmanager
def of_call(operation: str, model: str, *, endpoint: str, stream: bool) -> Iterator["CallSpan"]:
    """The server's own span where its request is this call; one more for a batch's line, or a call within a call."""
    span = get_current_span()
    own = not _is_of(span, endpoint)
    call = CallSpan(start(f"{operation} {model}") if own else span, own=own)
    call.begun(operation, model, endpoint, stream)
    with at_work(call.span, ends=False) if own else nullcontext():
        yield call


def _is_of(span: Span, endpoint: str) -> bool:
    """Whether a server's span is of a request for this, and tells of no other call yet."""
    told = getattr(span, "attributes", None) if span.is_recording() else None
    is_asked = told is not None and told.get("http.route") == f"/v1/{endpoint.replace('.', '/')}"
    return is_asked and "gen_ai.operation.name" not in (told or ())


class CallSpan:
    """`own`: nobody else ends it."""

    def __init__(self, span: Span, *, own: bool) -> None:
        self.span = span
        self.own = own

    def begun(self, operation: str, model: str, endpoint: str, stream: bool) -> None:
        self.span.set_attributes(
            {
                "gen_ai.operation.name": operation,
                "gen_ai.request.model": model,
                "gen_ai.request.stream": stream,
                "artemis.endpoint": endpoint,
            }
        )

    async def during(self, name: str, work: Awaitable[Result]) -> Result:
        """A step of the request."""
        with at_work(start(name)):
            return await work

    def settled(
        self, *, provider: str, model: str, deployment: str, outcome: str, error_code: str, tokens: tuple[int, int, int]
    ) -> None:
        """`model`: the one that answered, by its engine's name; `tokens`: input, its cached part, output."""
        told: dict[str, Any] = {
            "gen_ai.provider.name": provider,
            "gen_ai.response.model": model,
            "artemis.deployment": deployment,
        }
        self.span.set_attributes({name: value for name, value in told.items() if value})
        self.span.set_attributes(
            {
                "artemis.outcome": outcome,
                "gen_ai.usage.input_tokens": tokens[0],
                "gen_ai.usage.cache_read.input_tokens": tokens[1],
                "gen_ai.usage.output_tokens": tokens[2],
            }
        )
        if outcome != "completed":
            fail(self.span, error_code or outcome)
        if self.own:
            finish(self.span)


class AttemptSpan:
    """A try of a deployment, until its answer has ended; the engine goes on with the trace from here."""

    def __init__(self, operation: str, model: str, *, deployment: str, provider: str, number: int) -> None:
        self._span = start(
            f"attempt {deployment}",
            SpanKind.CLIENT,
            gen_ai__operation__name=operation,
            gen_ai__provider__name=provider,
            gen_ai__request__model=model,
            artemis__deployment=deployment,
            artemis__attempt=number,
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Whatever goes to an engine meanwhile says that it belongs to this try."""
        token = traceparent.set(headers_of(self._span).get("traceparent", "").encode())
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            traceparent.reset(token)

    def failed(self, error: BaseException | None) -> None:
        status = error.status if isinstance(error, EngineRefused) else None
        if status:
            self._span.set_attribute("http.response.status_code", status)
        fail(self._span, str(status or (name_of(error) if error else "failed")))
        finish(self._span)

    def ended(self, *, well: bool) -> None:
        """The answer has ended."""
        if not well:
            fail(self._span, "broke_off")
        finish(self._span)
