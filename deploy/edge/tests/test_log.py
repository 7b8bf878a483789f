"""Each line of the log is JSON, whatever was asked."""

import json

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import exchange, get

FIELDS = {
    *("time", "request_id", "client_request_id", "address", "method", "path", "status", "bytes_in", "bytes_out"),
    *("seconds", "upstream", "upstream_status", "upstream_connect", "upstream_header", "upstream_seconds"),
    *("key_check", "limit_requests", "limit_connections", "tls", "http"),
}
ODD = [
    b"GET /docs/\r\n",
    b"GET /docs/ HTTP/1.0\r\n\r\n",
    b'G"ET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"\x00\x01\x02\r\n\r\n",
    b"\r\n\r\n",
    get('/a"b\\c/%22%0a%00x'),
    get("/%ff%fe/%e2%80%a8/\xe9"),
    get("/docs/", 'X-Request-Id: a"b'),
    get("/docs/", "Host: evil.example"),
    get("/docs/", "X-Request-Id: of-the-caller.1"),
]


def test_every_line_is_whole(edge: Edge) -> None:
    before = len(edge.log())
    for request in ODD:
        exchange(edge, request)
    edge.entry(client_request_id="of-the-caller.1", status=200)
    lines = edge.log()[before:]
    assert len(lines) >= len(ODD) - 1  # of an empty one there is nothing to tell
    for line in lines:
        assert line.keys() == FIELDS
        assert isinstance(line["status"], int)
        assert line["address"] == "127.0.0.1"
        assert '"' not in json.dumps(line["path"])[1:-1]


def test_what_is_told_of_a_call(edge: Edge, gateway: Backend) -> None:
    key = ("Authorization: Bearer good-log", "X-Request-Id: log-1")
    exchange(edge, get("/v1/models/moon-small?limit=5", *key))
    entry = edge.entry(client_request_id="log-1")
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/v1/models/moon-small", 200)
    assert (entry["upstream"], entry["upstream_status"], entry["key_check"]) == (gateway.address, "200", "MISS")
    assert (entry["limit_requests"], entry["limit_connections"]) == ("PASSED", "PASSED")
    assert float(entry["upstream_header"]) <= entry["seconds"] + 0.001
    assert entry["bytes_out"] > 0


def test_addresses_can_be_left_out(gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("private")
    private = Edge(folder, gateway.address, portal.address, {"LOG_ADDRESSES": "off"})
    private.start()
    try:
        exchange(private, get("/docs/", "X-Request-Id: private"))
        assert private.entry(client_request_id="private")["address"] == ""
        assert all(line["address"] == "" for line in private.log())
    finally:
        private.stop()
