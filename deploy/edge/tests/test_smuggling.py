"""Requests that two servers could read in two ways: refused, or rewritten so that there is one way; none slips in."""

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import connection

HOST = b"Host: localhost\r\nAuthorization: Bearer good\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
INNER = b"GET /internal/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "CL.TE": POST + LENGTH % (5 + len(INNER)) + CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "TE.CL": POST + CHUNKED + LENGTH % 4 + b"\r\n5c\r\n" + INNER + b"\r\n0\r\n\r\n",
    "two lengths": POST + LENGTH % 0 + LENGTH % len(INNER) + b"\r\n" + INNER,
    "two equal lengths": POST + LENGTH % len(INNER) * 2 + b"\r\n" + INNER,
    "a list of lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + INNER,
    "a signed length": POST + b"Content-Length: +44\r\n\r\n" + INNER,
    "two encodings": POST + CHUNKED * 2 + b"\r\n0\r\n\r\n" + INNER,
    "another encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + INNER,
    "a list of encodings": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding by a tab": POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding and a space": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + INNER,
    "an encoding folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + INNER,
    "a folded header": POST + b"X: a\r\n b\r\n" + LENGTH % 0 + b"\r\n" + INNER,
    "a name with a NUL": POST + b"Content-\0Length: 0\r\n\r\n" + INNER,
    "a value with a NUL": POST + b"X: a\0b\r\n\r\n" + INNER,
    "a bare CR": POST + b"X: a\rContent-Length: 44\r\n\r\n" + INNER,
    "a chunk of no size": POST + CHUNKED + b"\r\nzz\r\n" + INNER,
    "a chunk of too large a size": POST + CHUNKED + b"\r\nfffffffffffffffff\r\n" + INNER,
    "two hosts": b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n" + HOST + b"\r\n" + INNER,
    "no host": b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n" + INNER,
    "a space in the path": b"GET /v1/models /internal HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "HTTP/1.0 in chunks": b"POST /v1/x HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "not HTTP": b"\x16\x03\x01 nothing\r\n\r\n" + INNER,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    edge: Edge, gateway: Backend, portal: Backend, name: str
) -> None:
    with connection(edge) as opened:
        opened.sendall(REFUSED[name])
        said = b""
        while part := opened.recv(65536):
            said += part
    print(said)
    assert said.count(b"HTTP/1.1 ") == 1
    assert said.split(b" ", 2)[1] in (b"400", b"405", b"501", b"500")
    assert gateway.seen == portal.seen == []


BARE = {
    "lines": (POST + b"Content-Length: 0\r\n\r\n").replace(b"\r\n", b"\n"),
    "a header's end": POST + b"X: a\nContent-Length: 0\r\n\r\n",
    "the headers' end": POST + b"Content-Length: 0\r\n\n",
    "chunks": POST + CHUNKED + b"\r\n3\nabc\n0\n\n",
}


@pytest.mark.parametrize("name", BARE)
def test_bare_lfs_are_refused_or_reach_the_gateway_as_one_plain_request(
    edge: Edge, gateway: Backend, portal: Backend, name: str
) -> None:
    """nginx reads one as a line's end, and cannot be told not to; the gateway gets lines that nginx has written."""
    with connection(edge) as opened:
        opened.sendall(BARE[name] + INNER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        said = b""
        while part := opened.recv(65536):
            said += part
    assert said
    assert len(gateway.seen) <= 1
    for one in gateway.seen:
        assert one.target == "/v1/chat/completions"
        assert one.raw.count(b"\n") == one.raw.count(b"\r\n")
        assert one.body in (b"", b"abc")
        assert one.header("x") in ("", "a")
    assert portal.seen == []
