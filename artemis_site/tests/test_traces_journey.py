"""Traces and logs of a whole platform: one call, one trace, from its caller's on; and nothing of prompts or keys."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from artemis_site.tests.collector import Collector, Span
from artemis_site.tests.platform import MODEL, SMALL_MODEL, Platform
from artemis_site.tests.test_batches_journey import begin, chat, ended
from deploy.local.ports import free_port
from inference.fake.control import FakeServer

PROMPT = "the-words-of-a-prompt"


@dataclass
class TracedPlatform(Platform):
    collector: Collector

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "PYTHONWARNINGS": "ignore",  # Celery's of root, before anything is set up
        }

    def ask(self, trace_id: str, *, sampled: str = "01", **fields: Any) -> httpx.Response:
        payload = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 8, **fields}
        traceparent = f"00-{trace_id}-{PARENT}-{sampled}"
        return self.post("/v1/chat/completions", json=payload, headers={"traceparent": traceparent})

    def lines(self) -> list[dict[str, Any]]:
        """What gateway and worker have logged, by whichever library."""
        texts = [(self.home / "logs" / f"{name}.log").read_text() for name in ("web", "worker")]
        return [json.loads(line) for text in texts for line in text.splitlines()]


PARENT = "00f067aa0ba902b7"


@contextmanager
def started(kind: type[TracedPlatform], home: Path) -> Iterator[TracedPlatform]:
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o711)
    with Collector() as collector, FakeServer() as primary, FakeServer() as second, FakeServer() as claude:
        platform = kind(home, free_port(), primary, second, claude, collector)
        try:
            platform.start()
            yield platform
        finally:
            platform.close_clients()
            platform.stop()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedPlatform]:
    with started(TracedPlatform, tmp_path_factory.mktemp("traced")) as platform:
        yield platform


@pytest.fixture(autouse=True)
def _well(traced: TracedPlatform) -> Iterator[None]:
    yield
    traced.reset_engines()
    time.sleep(1.2)  # for a second, an engine that failed is left alone (models_yaml)


@pytest.fixture
def trace_id() -> str:
    return secrets.token_hex(16)


def served(spans: list[Span]) -> bool:
    """The server's span ends last."""
    return any(span.kind == "server" for span in spans)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_one_call_is_one_trace_from_its_callers_to_the_engine(
    traced: TracedPlatform, trace_id: str, stream: bool
) -> None:
    answer = traced.ask(trace_id, stream=stream)
    assert answer.status_code == 200
    server, admission, attempt = traced.collector.trace(trace_id, enough=served)

    assert (server.name, server.kind, server.parent_id) == ("POST /v1/chat/completions", "server", PARENT)
    assert (admission.name, admission.kind, admission.parent_id) == ("admission", "internal", server.span_id)
    assert (attempt.name, attempt.kind, attempt.parent_id) == ("attempt moon-a", "client", server.span_id)
    assert {span.service for span in (server, admission, attempt)} == {"artemis-all"}
    assert not any(span.failed for span in (server, admission, attempt))
    assert server.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "hosted_vllm",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": stream,
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.output_tokens": 8,
        "artemis.deployment": "moon-a",
        "artemis.endpoint": "chat.completions",
        "artemis.outcome": "completed",
        "artemis.request.id": answer.headers["x-request-id"],
    }
    (asked,) = traced.primary.log()
    assert asked["headers"]["traceparent"] == f"00-{trace_id}-{attempt.span_id}-01"


def test_a_failover_shows_each_attempt(traced: TracedPlatform, trace_id: str) -> None:
    traced.primary.script(status=503)
    assert traced.ask(trace_id).headers["x-artemis-deployment"] == "moon-b"
    spans = traced.collector.trace(trace_id, enough=served)
    first, second = (span for span in spans if span.kind == "client")
    assert (first.name, first.failed, first.attributes["error.type"]) == ("attempt moon-a", True, "503")
    assert (second.name, second.failed, second.attributes["artemis.attempt"]) == ("attempt moon-b", False, 2)
    assert first.end <= second.start
    assert spans[0].attributes["artemis.deployment"] == "moon-b"
    assert not spans[0].failed


def test_a_stream_that_breaks_off_goes_on_in_another_attempt(traced: TracedPlatform, trace_id: str) -> None:
    traced.primary.script(cut_after=3)
    assert traced.ask(trace_id, stream=True).text.endswith("data: [DONE]\n\n")
    spans = traced.collector.trace(trace_id, enough=served)
    first, second = (span for span in spans if span.kind == "client")
    assert (first.name, first.failed, first.attributes["error.type"]) == ("attempt moon-a", True, "broke_off")
    assert (second.name, second.failed, second.parent_id) == ("attempt moon-b", False, spans[0].span_id)
    assert spans[0].attributes["artemis.outcome"] == "completed"


def test_a_call_that_nobody_answers_says_why(traced: TracedPlatform, trace_id: str) -> None:
    traced.primary.script(status=500)
    answer = traced.ask(trace_id, model=SMALL_MODEL)
    assert answer.status_code == 503
    server = traced.collector.trace(trace_id, enough=served)[0]
    assert (server.failed, server.attributes["http.response.status_code"]) == (True, 503)
    assert server.attributes["artemis.outcome"] == "failed"
    (line, *_) = [line for line in traced.lines() if line.get("request_id") == answer.headers["x-request-id"]]
    assert (line["level"], line["logger"]) == ("warning", "apps.gateway.attempts")
    assert (line["trace_id"], line["span_id"]) == (trace_id, server.span_id)


def test_what_its_caller_does_not_keep_is_not_kept(traced: TracedPlatform, trace_id: str) -> None:
    later = secrets.token_hex(16)
    assert traced.ask(trace_id, sampled="00").status_code == 200
    assert traced.ask(later).status_code == 200
    traced.collector.trace(later, enough=served)
    assert all(span.trace_id != trace_id for span in traced.collector.spans)
    assert traced.primary.log()[0]["headers"]["traceparent"].startswith(f"00-{trace_id}-")
    assert traced.primary.log()[0]["headers"]["traceparent"].endswith("-00")


def test_a_task_belongs_to_the_trace_of_who_asked_for_it(traced: TracedPlatform, trace_id: str) -> None:
    client = traced.client(default_headers={"traceparent": f"00-{trace_id}-{PARENT}-01"})
    batch = ended(client, begin(client, chat(PROMPT)))
    assert batch.status == "completed"
    spans = traced.collector.trace(trace_id, enough=lambda found: any(span.kind == "consumer" for span in found))
    (task,) = [span for span in spans if span.name == "run batches.run"]
    (asked,) = [span for span in spans if span.span_id == task.parent_id]
    assert (task.service, asked.name) == ("artemis-worker", "POST /v1/batches")
    # Beat may have found the batch before: the line's call is then a trace of its own.
    (line,) = [span for span in traced.collector.spans if span.name == f"chat {MODEL}"]
    assert line.service == "artemis-worker"
    assert line.attributes["gen_ai.usage.output_tokens"] == 5
    assert [span.name for span in traced.collector.spans if span.parent_id == line.span_id] == [
        "admission",
        "attempt moon-a",
    ]


def test_nothing_of_prompts_answers_or_keys_is_told(traced: TracedPlatform, trace_id: str) -> None:
    """Of all that the tests above did, as well."""
    traced.primary.script(status=400, body={"error": {"message": f"what is {PROMPT}?"}})
    assert traced.ask(trace_id).status_code == 400
    traced.collector.trace(trace_id, enough=served)
    traced.post("/v1/chat/completions", api_key=f"{traced.api_key}x", json={"model": MODEL, "messages": PROMPT})
    logged = json.dumps(traced.lines())
    assert len(traced.lines()) > 5
    for secret in (PROMPT, "fake engine token", traced.api_key, traced.api_key[7:], "engine-key"):
        assert secret.encode() not in traced.collector.raw
        assert secret not in logged


def test_every_line_has_one_form(traced: TracedPlatform) -> None:
    lines = traced.lines()
    assert {"gunicorn.error", "uvicorn.error", "apps.gateway.attempts"} <= {line["logger"] for line in lines}
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)
