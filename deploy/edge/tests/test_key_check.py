"""A key is checked before anything is forwarded; the answer is remembered for seconds, and a doubt is never a yes."""

import time
from pathlib import Path
from typing import BinaryIO

import pytest

from deploy.edge.tests.backend import Answer, Backend, Seen, hanging_up, saying
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import error_of, exchange, get

MODELS = "/v1/models"


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


@pytest.mark.parametrize("header", ["Authorization: Bearer bad", "x-api-key: bad", "X-Other: none"])
def test_a_request_without_a_good_key_goes_nowhere(edge: Edge, gateway: Backend, header: str) -> None:
    status, body = exchange(edge, get(MODELS, header))
    assert status == 401
    assert error_of(body) | {"request_id": ""} == {
        "message": "No such key…",
        "type": "authentication_error",
        "param": None,
        "code": "invalid_api_key",
        "request_id": "",
    }
    assert gateway.seen == []
    assert len(gateway.asked) == 1


def test_neither_does_its_body(edge: Edge, gateway: Backend) -> None:
    request = get(MODELS, bearer("bad-body"), "Content-Length: 500000").replace(b"GET", b"POST", 1)
    assert exchange(edge, request)[0] == 401  # before a byte of it came
    assert gateway.seen == []
    assert gateway.asked[0].body == b""


def test_a_good_key_is_asked_about_once_in_a_while(edge: Edge, gateway: Backend) -> None:
    for _ in range(5):
        assert exchange(edge, get(MODELS, bearer("good-once")))[0] == 200
    assert len(gateway.seen) == 5
    before = len(gateway.asked)
    assert before < 5  # one, unless the machine takes seconds for five requests
    assert gateway.asked[0].header("authorization") == "Bearer good-once"
    edge.wait_for(lambda: exchange(edge, get(MODELS, bearer("good-once")))[0] == 200 and len(gateway.asked) > before)
    assert [edge.entry(key_check=told)["status"] for told in ("HIT", "MISS", "EXPIRED")] == [200] * 3


def test_a_refusal_is_remembered_for_a_shorter_while(edge: Edge, gateway: Backend) -> None:
    began = time.monotonic()
    for _ in range(3):
        exchange(edge, get(MODELS, bearer("bad-once")))
    if time.monotonic() - began < 0.9:
        assert len(gateway.asked) == 1
    gateway.authorize = saying(status="204 No Content", headers={"Content-Length": "0"})
    edge.wait_for(lambda: exchange(edge, get(MODELS, bearer("bad-once")))[0] == 200)
    assert exchange(edge, get(MODELS, bearer("bad-once")))[0] == 200


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ((bearer("good-1"),), (bearer("good-2"),)),
        ((bearer("good-3"),), ("x-api-key: good-3",)),
        ((bearer("good-4"),), (bearer("good-4"), "x-api-key: other")),
        (("x-api-key: good-5",), ("x-api-key: good-5", "x-api-key: bad")),
        (("x-api-key: good-6",), ("x-api-key: bad", "x-api-key: good-6")),
    ],
)
def test_every_credential_is_asked_about_by_itself(
    edge: Edge, gateway: Backend, first: tuple[str, ...], other: tuple[str, ...]
) -> None:
    exchange(edge, get(MODELS, *first))
    exchange(edge, get(MODELS, *other))
    assert len(gateway.asked) == 2


def test_a_key_is_asked_about_for_each_address(edge: Edge, gateway: Backend) -> None:
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.2"):
        exchange(edge, get(MODELS, bearer("good-address")), address=address)
    assert [one.header("x-forwarded-for") for one in gateway.asked] == ["127.0.0.1", "127.0.0.2"]


def test_a_key_that_is_not_for_here_is_told_so(edge: Edge, gateway: Backend) -> None:
    refusal = {"x-artemis-error-code": "ip_not_allowed", "x-artemis-error-message": "Not%20from%20here."}
    gateway.authorize = saying(status="403 Forbidden", headers=refusal)
    status, body = exchange(edge, get("/v1/messages", bearer("good-403")))
    assert status == 403
    assert error_of(body) == {
        "type": "permission_error",
        "message": "Not from here.",
        "code": "ip_not_allowed",
        "param": None,
        "details": {"error_code": "ip_not_allowed"},
    }


def garbled(seen: Seen, out: BinaryIO) -> None:
    out.write(b"yes\r\n\r\n")
    raise ConnectionError


@pytest.mark.parametrize(
    "authorize",
    [
        *(
            saying(status="200 OK"),
            saying(status="201 Created"),
            saying(status="206 Partial Content"),
            saying(status="302 Found", headers={"Location": "/"}),
        ),
        *(
            saying(status="404 Not Found"),
            saying(status="429 Too Many"),
            saying(status="500 Oh"),
            saying(status="503 Oh"),
            hanging_up,
            garbled,
        ),
    ],
    ids=["200", "201", "206", "302", "404", "429", "500", "503", "silent", "garbled"],
)
def test_a_doubt_is_never_a_yes(edge: Edge, gateway: Backend, authorize: Answer) -> None:
    gateway.authorize = authorize
    key = bearer(f"good-{id(authorize)}")
    for _ in range(2):
        status, body = exchange(edge, get(MODELS, key))
        assert (status, error_of(body)["code"]) == (503, "service_unavailable")
    assert exchange(edge, get("/v1/messages", key))[0] == 529
    assert gateway.seen == []
    gateway.reset()
    assert exchange(edge, get(MODELS, key))[0] == 200  # at once: a doubt is not remembered


def test_options_are_the_gateways_to_refuse(edge: Edge, gateway: Backend) -> None:
    assert exchange(edge, get(MODELS).replace(b"GET", b"OPTIONS", 1))[0] == 200
    assert [one.method for one in gateway.seen] == ["OPTIONS"]
    assert gateway.asked == []


def files(edge: Edge) -> list[Path]:
    return [path for path in edge.folder.rglob("*") if path.is_file() and path.name not in ("ca.pem", "both.pem")]


def test_no_file_of_nginx_has_a_key_in_it(edge: Edge, gateway: Backend) -> None:
    """Nor anything else that callers keep to themselves: queries, links, cookies, bodies."""
    key, secret = "good-sk-art-SECRETSECRETSECRET", "SECRETSECRETSECRET"
    body = b'{"messages": "SECRETSECRETSECRET"}' + b" " * 300_000  # larger than what nginx keeps in memory
    headers = (bearer(key), f"Cookie: session={secret}", f"Referer: https://localhost/?{secret}")
    post = get(MODELS, *headers, f"Content-Length: {len(body)}").replace(b"GET", b"POST", 1) + body
    assert exchange(edge, post)[0] == 200
    gateway.answer = hanging_up
    for path in (f"{MODELS}?api_key={key}", f"/v1/{secret}", f"/invitations/{secret}9/", f"/metrics?{key}"):
        exchange(edge, get(path, *headers))
        exchange(edge, get(path, *headers, "x-api-key: bad-" + secret))
    gateway.authorize = hanging_up
    assert exchange(edge, get(f"{MODELS}?{secret}", bearer(f"bad-{secret}")))[0] == 503
    edge.entry(path="/invitations/*/")
    edge.wait_for(lambda: "auth request unexpected status" in edge.errors())
    found = files(edge)
    assert any("keys" in path.parts for path in found)
    for path in found:
        assert secret.encode() not in path.read_bytes(), path
    assert any(line.get("path") == "/v1/*" for line in edge.log())
