"""A call's trace through a real nginx: the edge's span is its caller's child, and the parent of the gateway's."""

import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from artemis_site.tests.collector import Collector, Span
from artemis_site.tests.platform import MODEL
from artemis_site.tests.test_traces_journey import PARENT, PROMPT, TracedPlatform, started
from deploy.edge.tests.edge import NGINXES, Edge, needs_nginx
from deploy.edge.tests.eyes import Eyes

pytestmark = needs_nginx
CHAT = "/v1/chat/completions"
OTLP = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
LINE = {
    "ended": 1795867454.881,
    "seconds": 0.002,
    "method": "POST",
    "path": CHAT,
    "plane": "gateway",
    "status": 200,
    "refused": "",
    "limit_requests": "PASSED",
    "upstream_status": "200",
    "upstream_seconds": "0.001",
    "http": "HTTP/1.1",
    "request_id": "req_1",
    "parent": "b7ad6b7169203331",
    "span": PARENT,
}


@dataclass
class Through:
    """A traced platform behind a traced edge."""

    platform: TracedPlatform
    edge: Edge
    collector: Collector

    def ask(self, path: str = CHAT, *, traceparent: str = "", api_key: str = "", **fields: object) -> dict[str, str]:
        """The answer's headers."""
        payload = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 8, **fields}
        headers = {"Authorization": f"Bearer {api_key or self.platform.api_key}"}
        headers |= {"traceparent": traceparent} if traceparent else {}
        with self.edge.client(headers=headers) as client:
            answer = client.post(path, json=payload)
        return {**answer.headers, "status": str(answer.status_code)}

    def trace(self, trace_id: str, *, enough: Callable[[list[Span]], bool]) -> dict[str, Span]:
        """By service and kind."""
        return {f"{one.service} {one.kind}": one for one in self.collector.trace(trace_id, enough=enough)}


def both(spans: list[Span]) -> bool:
    """The edge's ends last, the gateway's before it; they come by two ways."""
    return {"artemis-edge", "artemis-all"} <= {span.service for span in spans if span.kind == "server"}


class Behind(TracedPlatform):
    def environment(self) -> dict[str, str]:
        return {**super().environment(), "TRUSTED_PROXIES": "127.0.0.1", "REQUEST_IDS_FROM_PROXY": "true"}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedPlatform]:
    with started(Behind, tmp_path_factory.mktemp("traced")) as platform:
        yield platform


@pytest.fixture(scope="module", params=NGINXES, ids=["this machine's", "a new one"][: len(NGINXES)])
def through(
    request: pytest.FixtureRequest, traced: TracedPlatform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Through]:
    address = traced.base_url.removeprefix("http://")
    with Eyes(OTEL_EXPORTER_OTLP_ENDPOINT=traced.collector.address, **OTLP) as eyes:
        settings = {**eyes.settings, "TRACES": "100"}
        edge = Edge(tmp_path_factory.mktemp("edge"), address, address, settings, request.param)
        edge.start()
        eyes.wait(edge)
        yield Through(traced, edge, traced.collector)
        edge.stop()


@pytest.fixture
def trace_id() -> str:
    return secrets.token_hex(16)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_caller_edge_gateway_engine(through: Through, trace_id: str, stream: bool) -> None:
    traceparent = f"00-{trace_id}-{PARENT}-01"
    headers = through.ask(f"{CHAT}?a=secret", traceparent=traceparent, stream=stream)
    assert headers["status"] == "200"
    spans = through.trace(trace_id, enough=both)
    edge, gateway, attempt = (
        spans[name] for name in ("artemis-edge server", "artemis-all server", "artemis-all client")
    )
    assert (edge.name, edge.parent_id, edge.failed) == ("POST chat", PARENT, False)
    assert gateway.parent_id == edge.span_id
    assert attempt.parent_id == gateway.span_id
    assert edge.start <= gateway.start
    assert edge.end >= gateway.end - 5_000_000  # whose span may outlive its last byte
    assert edge.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": CHAT,
        "network.protocol.version": "1.1",
        "artemis.edge.plane": "gateway",
        "artemis.edge.outcome": "forwarded",
        "artemis.request.id": headers["x-request-id"],
    }
    (asked,) = [
        one
        for one in through.platform.primary.log()
        if one["headers"].get("traceparent", "").startswith(f"00-{trace_id}")
    ]
    assert asked["headers"]["traceparent"] == f"00-{trace_id}-{attempt.span_id}-01"


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{'a' * 32}-{'0' * 16}-01"])
def test_who_brings_no_trace_gets_one(through: Through, given: str) -> None:
    headers = through.ask(traceparent=given)
    wanted = headers["x-request-id"].removeprefix("req_")
    through.edge.wait_for(lambda: [one for one in through.collector.spans if one.trace_id.startswith(wanted)])
    (trace_id,) = {one.trace_id for one in through.collector.spans if one.trace_id.startswith(wanted)}
    spans = through.trace(trace_id, enough=both)
    assert spans["artemis-edge server"].parent_id == ""
    assert spans["artemis-all server"].parent_id == spans["artemis-edge server"].span_id


def test_what_its_caller_does_not_keep_is_not_kept(through: Through, trace_id: str) -> None:
    later = secrets.token_hex(16)
    through.ask(traceparent=f"00-{trace_id}-{PARENT}-00")
    through.ask(traceparent=f"00-{later}-{PARENT}-01")
    through.trace(later, enough=both)
    assert all(span.trace_id != trace_id for span in through.collector.spans)
    told = [one["headers"]["traceparent"] for one in through.platform.primary.log() if "traceparent" in one["headers"]]
    (forwarded,) = [one for one in told if one.startswith(f"00-{trace_id}-")]
    assert forwarded.endswith("-00")


def test_what_ends_at_the_edge_is_told_as_well(through: Through, trace_id: str) -> None:
    through.edge.maintenance.touch()
    try:
        assert through.ask(traceparent=f"00-{trace_id}-{PARENT}-01")["status"] == "503"
    finally:
        through.edge.maintenance.unlink()
    (span,) = through.collector.trace(trace_id, enough=bool)
    assert (span.service, span.kind, span.parent_id, span.failed) == ("artemis-edge", "server", PARENT, True)
    assert (span.attributes["artemis.edge.outcome"], span.attributes["error.type"]) == ("maintenance", "503")


def test_nothing_of_callers_is_told(through: Through, trace_id: str) -> None:
    secret = "A-Name-9-That-Nobody-Has"
    through.ask(f"/v1/{secret}?key={secret}", traceparent=f"00-{trace_id}-{PARENT}-01", api_key=f"{secret}-key")
    (span,) = through.collector.trace(trace_id, enough=bool)
    assert span.attributes["url.path"] == "/v1/*"
    for word in (secret, secret.lower(), "127.0.0.1", through.platform.api_key, PROMPT):
        assert word.encode() not in through.collector.raw


@pytest.mark.parametrize("share", ["0", "40"])
def test_of_requests_without_a_trace_a_share_is_kept(
    traced: TracedPlatform, tmp_path_factory: pytest.TempPathFactory, share: str
) -> None:
    """By edge and gateway alike: the edge says so, and the gateway does as it says."""
    address = traced.base_url.removeprefix("http://")
    with Eyes(OTEL_EXPORTER_OTLP_ENDPOINT=traced.collector.address, **OTLP) as eyes:
        edge = Edge(tmp_path_factory.mktemp("shared"), address, address, {**eyes.settings, "TRACES": share})
        edge.start()
        eyes.wait(edge)
        through, last = Through(traced, edge, traced.collector), secrets.token_hex(16)
        ids = [through.ask("/v1/models")["x-request-id"].removeprefix("req_") for _ in range(40)]
        through.ask(traceparent=f"00-{last}-{PARENT}-01")
        through.trace(last, enough=both)
        edge.stop()
        eyes.stop()
    kept = {
        service: {one.trace_id[:24] for one in traced.collector.spans if one.service == service} & set(ids)
        for service in ("artemis-edge", "artemis-all")
    }
    assert kept["artemis-edge"] == kept["artemis-all"]
    assert (len(kept["artemis-edge"]) == 0) if share == "0" else (4 <= len(kept["artemis-edge"]) <= 30)


@pytest.mark.parametrize(("sampler", "kept"), [("traceidratio", True), ("parentbased_traceidratio", False)])
def test_the_sampler_is_asked_as_the_gateway_asks_it(sampler: str, kept: bool) -> None:
    """Of a trace that its caller does not keep: by its id alone, or not at all. No nginx is needed to say so."""
    ids = [secrets.token_hex(16) for _ in range(40)]
    with (
        Collector() as collector,
        Eyes(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
            OTEL_TRACES_SAMPLER=sampler,
            OTEL_TRACES_SAMPLER_ARG="0.5",
            **OTLP,
        ) as eyes,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nginx,
    ):
        deadline = time.monotonic() + 20
        while not eyes.is_there():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for trace_id in ids:
            line = {**LINE, "traceparent": f"00-{trace_id}-{PARENT}-00"}
            nginx.sendto(b"<190>Nov 28 12:00:00 edge: " + json.dumps(line).encode(), ("127.0.0.1", eyes.nginx_port))
        while eyes.figures("artemis_edge_lines_total") != {"": 40}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert eyes.stop() == 0  # and sends what is left
        told = {span.trace_id for span in collector.spans}
    assert told == ({one for one in ids if int(one[16:], 16) < 2**63} if kept else set())


def test_an_edge_that_makes_no_spans_passes_its_callers_on(
    traced: TracedPlatform, trace_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address = traced.base_url.removeprefix("http://")
    with Eyes(OTEL_EXPORTER_OTLP_ENDPOINT=traced.collector.address, **OTLP) as eyes:
        edge = Edge(tmp_path_factory.mktemp("untraced"), address, address, eyes.settings)
        edge.start()
        eyes.wait(edge)
        through = Through(traced, edge, traced.collector)
        through.ask(traceparent=f"00-{trace_id}-{PARENT}-01")
        (server,) = [
            one
            for one in traced.collector.trace(trace_id, enough=lambda found: any(o.kind == "server" for o in found))
            if one.kind == "server"
        ]
        edge.stop()
        eyes.stop()
    assert (server.service, server.parent_id) == ("artemis-all", PARENT)
    assert all(one.service != "artemis-edge" for one in traced.collector.spans if one.trace_id == trace_id)
