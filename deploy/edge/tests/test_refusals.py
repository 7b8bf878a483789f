"""What nginx refuses by itself is told in the caller's dialect, or as a page."""

import time
from typing import Any, BinaryIO

import httpx
import pytest

from deploy.edge.tests.backend import Backend, Seen, hanging_up, saying
from deploy.edge.tests.edge import Edge

KEY = {"Authorization": "Bearer good"}
OPENAI, ANTHROPIC, PAGE = "/v1/chat/completions", "/v1/messages", "/docs/"


def ask(edge: Edge, path: str, **options: Any) -> httpx.Response:
    with edge.client(headers=KEY) as client:
        return client.post(path, **options)


def check(answer: httpx.Response, path: str, status: int, code: str) -> None:
    """The right form, with the id that the header has as well."""
    request_id = answer.headers["x-request-id"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    if path == PAGE:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert request_id in answer.text
        assert "nginx" not in answer.text
        return
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    error = told["error"]
    assert error["code"] == code
    assert error["message"]
    if path == ANTHROPIC:
        assert told["type"] == "error"
        assert error["details"] == {"error_code": code}
        assert told["request_id"] == answer.headers["request-id"] == request_id
        assert answer.status_code == (529 if status == 503 else status)
    else:
        assert error.keys() == {"message", "type", "param", "code", "request_id"}
        assert error["request_id"] == request_id
        assert answer.status_code == status


def too_late(seen: Seen, out: BinaryIO) -> None:
    time.sleep(8)


@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC, PAGE])
class TestEachDialect:
    def test_maintenance(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        edge.maintenance.touch()
        answer = ask(edge, path)
        assert answer.headers["retry-after"] == "60"
        check(answer, path, 503, "service_unavailable")
        assert "work" in answer.text or "maintenance" in answer.text
        assert gateway.everything == portal.everything == []
        assert httpx.get(f"http://127.0.0.1:{edge.http_port}/healthz").status_code == 200
        edge.maintenance.unlink()
        assert ask(edge, path).status_code == 200

    def test_too_large(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        for content in (b"x" * (2**20 + 1), iter([b"x" * 2**19] * 3)):  # the second is chunked
            answer = ask(edge, path, content=content)
            assert answer.status_code == 413
            check(answer, path, 413, "request_too_large")
        assert gateway.seen == portal.seen == []

    def test_large_headers(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        answer = ask(edge, path, headers={"X-Large": "x" * 40_000})
        assert answer.status_code == 431
        check(answer, path, 431, "headers_too_large")
        assert gateway.everything == portal.everything == []

    def test_a_plane_that_hangs_up(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        """Once: a request that was sent is not sent again."""
        gateway.answer = portal.answer = hanging_up
        answer = ask(edge, path)
        assert answer.status_code == 502
        assert answer.headers["retry-after"]
        check(answer, path, 502, "service_unavailable")
        assert len(gateway.seen) + len(portal.seen) == 1

    def test_a_plane_that_never_answers(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        gateway.answer = portal.answer = too_late
        answer = ask(edge, path)
        assert answer.status_code == 504
        check(answer, path, 504, "timeout")

    def test_a_planes_own_errors_are_its_own(self, edge: Edge, gateway: Backend, portal: Backend, path: str) -> None:
        for status in ("401 No", "404 No", "429 No", "500 No", "503 No"):
            headers = {"X-Request-Id": "req_mine", "Retry-After": "9"}
            gateway.answer = portal.answer = saying(b"mine", status=status, headers=headers)
            answer = ask(edge, path)
            assert (answer.status_code, answer.text) == (int(status[:3]), "mine")
            assert (answer.headers["x-request-id"], answer.headers["retry-after"]) == ("req_mine", "9")


def test_a_planes_own_hsts_stands(edge: Edge, portal: Backend) -> None:
    portal.answer = saying(headers={"Strict-Transport-Security": "max-age=1; preload", "Server": "secret/1.0"})
    answer = ask(edge, PAGE)
    assert answer.headers.get_list("strict-transport-security") == ["max-age=1; preload"]
    assert answer.headers["server"] == "nginx"


def test_uploads_may_be_larger(edge: Edge, gateway: Backend, portal: Backend) -> None:
    for path in ("/v1/files", "/a/moon/knowledge/vs_1/upload/"):
        assert ask(edge, path, content=b"x" * 3 * 2**20).status_code == 200
        assert ask(edge, path, content=b"x" * 5 * 2**20).status_code == 413
    assert len(gateway.seen[0].body) == len(portal.seen[0].body) == 3 * 2**20
