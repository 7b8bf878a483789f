"""Which plane a path belongs to, what of a request goes there, and what nobody reaches from outside."""

import json
from typing import Any

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import error_of, exchange, get

KEY = "Authorization: Bearer good"


def seen(body: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(body)
    told["headers"] = {name.lower(): value for name, value in told["headers"]}
    return told


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/org%2Fname?x=1", "/%76%31/models", "/v1/a;x", "/v1//models"]
)
def test_the_api_belongs_to_the_gateway_which_gets_the_path_as_it_came(edge: Edge, gateway: Backend, path: str) -> None:
    status, body = exchange(edge, get(path, KEY))
    assert (status, seen(body)["target"]) == (200, path)
    assert [one.target for one in gateway.seen] == [path]


@pytest.mark.parametrize(
    "path", ["/", "/docs/", "/api/v1/keys", "//docs", "/a/moon/keys/?page=2", "/v10", "/internals"]
)
def test_all_else_belongs_to_the_portal(edge: Edge, portal: Backend, gateway: Backend, path: str) -> None:
    status, body = exchange(edge, get(path))
    assert (status, seen(body)["target"]) == (200, path)
    assert gateway.everything == []


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/readyz", "/internal/authorize", "/internal", "/INTERNAL/authorize", "//internal/authorize"),
        *("/%69nternal/authorize", "/internal%2fauthorize", "/v1/../internal/authorize"),
        *("/v1/%2e%2e/internal/authorize", "/v1/..%2finternal%2fauthorize", "/metrics/", "/Metrics", "//readyz"),
        *(
            "/v1",
            "//v1/models",
            "/V1/models",
            "/v1/../v1/models",
            "/v1/%2E%2e/v1/models",
            "/v1/./models",
            "/v1/models/..",
        ),
        *("/v1/models/..%2f..%2fhealthz", "/v1/..%5cmodels"),
    ],
)
def test_nothing_internal_and_nothing_ambiguous_goes_anywhere(
    edge: Edge, gateway: Backend, portal: Backend, path: str
) -> None:
    status, body = exchange(edge, get(path, KEY))
    assert status == 404
    assert error_of(body)["code"] == "not_found"
    assert gateway.everything == portal.everything == []


@pytest.mark.parametrize(
    "path", ["/-edge/authorize", "/-edge/refusal/200", "/docs/../-edge/authorize", "/x/../internal/authorize"]
)
def test_places_of_the_house_are_not_there_by_another_way(
    edge: Edge, gateway: Backend, portal: Backend, path: str
) -> None:
    assert exchange(edge, get(path, KEY))[0] == 404
    assert gateway.everything == portal.everything == []


def test_what_a_caller_says_of_itself_goes_no_further(edge: Edge) -> None:
    lies = [
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "Proxy: http://evil.example",
        "Connection: close, X-Kept",
        "X-Request-Id: chosen",
        "x_forwarded_for: 1.2.3.4",
        "traceparent: 00-zz",
        "Upgrade: h2c",
    ]
    headers = seen(exchange(edge, get("/docs/", *lies))[1])["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] == headers["host"] == "localhost"
    assert headers["x-request-id"].startswith("req_")
    assert headers.keys().isdisjoint(
        [
            "x-forwarded-port",
            "x-real-ip",
            "forwarded",
            "proxy",
            "traceparent",
            "x_forwarded_for",
            "connection",
            "upgrade",
        ]
    )


def test_a_trusted_proxy_is_believed_about_the_address_alone(edge: Edge, gateway: Backend) -> None:
    told = get("/v1/models", KEY, "X-Forwarded-For: 6.6.6.6, 1.2.3.4")
    headers = seen(exchange(edge, told, address="127.0.0.99")[1])["headers"]
    assert headers["x-forwarded-for"] == "1.2.3.4"
    assert gateway.asked[0].header("x-forwarded-for") == "1.2.3.4"


def test_a_trace_goes_on(edge: Edge) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = seen(exchange(edge, get("/v1/models", KEY, f"traceparent: {trace}", "tracestate: a=b"))[1])["headers"]
    assert (headers["traceparent"], headers["tracestate"]) == (trace, "a=b")
