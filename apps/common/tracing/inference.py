"""What a trace says of a request to a model, by OpenTelemetry's conventions. Imported only where tracing is on."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from opentelemetry.trace import Span, SpanKind, get_current_span

from apps.common.tracing.spans import at_work, fail, finish, headers_of, name_of, start
from inference.errors import EngineRefused
from inference.trace_context import traceparent

Result = TypeVar("Result")


@contextmanager
def of_call(operation: str, model: str, *, endpoint: str, stream: bool) -> Iterator["CallSpan"]:
    """The request's own span where a server has begun one; one more for a batch's line, within its task."""
    span = get_current_span()
    own = getattr(span, "kind", None) is not SpanKind.SERVER
    call = CallSpan(start(f"{operation} {model}") if own else span, own=own)
    call.begun(operation, model, endpoint, stream)
    with at_work(call.span, ends=False) if own else nullcontext():
        yield call


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

    def ending(self, leave: Callable[[], None]) -> Callable[[], None]:
        """For when the answer has ended."""

        def left() -> None:
            leave()
            finish(self._span)

        return left
