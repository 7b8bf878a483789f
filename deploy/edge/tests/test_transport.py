"""TLS, HTTP/2, certificates that are renewed, and what is still served without TLS."""

import contextlib
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.wire import connection

ACME = "/.well-known/acme-challenge/token"


def test_http2_and_http1_with_todays_ciphers(edge: Edge) -> None:
    for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
        with edge.client(http2=http2, headers={"Authorization": "Bearer good"}) as client:
            answer = client.post("/v1/chat/completions", json={})
            assert (answer.status_code, answer.http_version) == (200, version)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert answer.headers["server"] == "nginx"
        entry = edge.entry(request_id=answer.headers["x-request-id"])
        assert (entry["tls"], entry["http"][:6]) == ("TLSv1.3", version[:6])


def handshake(edge: Edge, *options: str) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.https_port}", *options]
    done = subprocess.run(command, input=b"", capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "alert protocol version"),
        (("-tls1_2", "-cipher", "AES128-SHA"), "alert handshake failure"),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), "alert handshake failure"),
        (("-tls1_2", "-cipher", "ECDHE+AESGCM"), ""),
        (("-tls1_3",), ""),
    ],
)
def test_old_versions_and_ciphers_are_refused(edge: Edge, options: tuple[str, ...], refusal: str) -> None:
    said = handshake(edge, "-servername", "localhost", *options)
    assert refusal in said
    assert ("Cipher is (NONE)" in said) == bool(refusal)
    if options[0] == "-tls1_2":  # what 1.3 calls by this name is no more than a session's number
        assert "TLS session ticket:" not in said


def test_another_host_gets_no_certificate_and_no_answer(edge: Edge, portal: Backend) -> None:
    assert "no peer certificate" in handshake(edge, "-servername", "evil.example")
    with edge.client(headers={"Host": "evil.example"}) as client:
        assert client.get("/docs/").status_code == 421
        assert client.get("/v1/models").json()["error"]["code"] == "invalid_request"
    assert portal.everything == []


def test_http_leads_to_https_and_nowhere_else(edge: Edge, gateway: Backend, portal: Backend) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{edge.http_port}") as client:
        for path in ("/", "/v1/chat/completions?a=b", "/internal/authorize"):
            for host in ("localhost", "evil.example"):
                answer = client.post(path, headers={"Host": host})
                assert (answer.status_code, answer.headers["location"]) == (308, f"https://localhost{path}")
        assert client.get("/healthz").json() == {"status": "ok"}
    assert gateway.everything == portal.everything == []


def test_challenges_of_acme_are_answered_from_a_folder(edge: Edge) -> None:
    folder = Path(edge.settings["ACME_ROOT"])
    folder.chmod(0o755)
    for passable in folder.parents[:2]:
        passable.chmod(0o711)
    file = folder / ACME.strip("/")
    file.parent.mkdir(parents=True)
    file.write_text("proof")
    with httpx.Client(base_url=f"http://127.0.0.1:{edge.http_port}", headers={"Host": "localhost"}) as client:
        assert client.get(ACME).text == "proof"
        assert client.get(ACME + "2").status_code == 404


def serial(edge: Edge) -> int:
    with contextlib.suppress(ssl.SSLError), connection(edge) as opened:
        return int(str((opened.getpeercert() or {})["serialNumber"]), 16)
    return 0


def test_an_edge_begins_without_a_certificate_takes_one_and_takes_the_next(
    planes: tuple[Backend, Backend], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As with ACME, whose challenge must be answered before there is a certificate; here by a server beside."""
    gateway, solver = planes
    edge = Edge(tmp_path_factory.mktemp("fresh"), gateway.address, gateway.address, {"ACME_UPSTREAM": solver.address})
    edge.start(certificate=False)
    try:
        answer = httpx.get(f"http://127.0.0.1:{edge.http_port}{ACME}")
        assert answer.json()["target"] == ACME
        edge.renew_certificate()
        edge.wait_for(lambda: "the certificate is new" in edge.errors())
        edge.wait_for(lambda: can_connect(edge))
        first = serial(edge)
        with edge.client() as old:
            assert old.get("/docs/").status_code == 200
            both = edge.key.read_bytes()
            edge.key.write_text("half of a file")  # as it is being written
            edge.wait_for(lambda: "does not fit" in edge.errors())
            edge.key.write_bytes(both)
            assert serial(edge) == first
            edge.renew_certificate()
            edge.wait_for(lambda: serial(edge) not in (0, first))
    finally:
        assert edge.stop() == 0


def can_connect(edge: Edge) -> bool:
    try:
        return serial(edge) != 0
    except OSError:
        return False


def test_http2_is_refused_in_the_same_words(edge: Edge, gateway: Backend) -> None:
    good = {"Authorization": "Bearer good"}
    with edge.client(http2=True) as client:
        for options, status, code in (
            ({}, 401, "invalid_api_key"),
            ({"headers": [*good.items(), ("Authorization", "Bearer other")]}, 400, "invalid_request"),
            ({"headers": [("x-api-key", "good"), ("x-api-key", "bad")]}, 200, ""),  # the gateway's to judge, of both
        ):
            answer = client.post("/v1/models", **options)  # type: ignore[arg-type]
            assert (answer.status_code, answer.http_version) == (status, "HTTP/2")
            if code:
                assert answer.json()["error"]["code"] == code
                assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert len(gateway.seen) == 1
    assert gateway.asked[-1].header("x-api-key") == "good,bad"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_http2_with_a_large_body(edge: Edge, gateway: Backend, tmp_path: Path) -> None:
    """By curl: httpx, which sends a body whole before it reads, waits for ever for leave to go on."""
    (tmp_path / "large").write_bytes(b"x" * 3 * 2**20)
    command = ["curl", "-sS", "--http2", "--cacert", str(edge.certificate), "-H", "Authorization: Bearer good"]
    command += ["--data-binary", f"@{tmp_path / 'large'}", "-w", "\n%{http_version} %{http_code}"]
    told = subprocess.run([*command, f"{edge.url}/v1/models"], capture_output=True, text=True, check=True, timeout=20)
    body, _, status = told.stdout.rpartition("\n")
    assert status == "2 413"
    assert json.loads(body)["error"]["code"] == "request_too_large"
    assert gateway.seen == []


def test_http2_with_large_headers_ends_the_connection(edge: Edge, gateway: Backend) -> None:
    """nginx says so by the protocol's own code (ENHANCE_YOUR_CALM); there is nothing else that it says."""
    with edge.client(http2=True) as client, pytest.raises(httpx.RemoteProtocolError, match="error_code:11"):
        client.post("/v1/models", headers={"Authorization": "Bearer good", "X-Large": "x" * 40_000})
    assert gateway.everything == []


def test_http_on_the_port_for_https(edge: Edge, gateway: Backend) -> None:
    answer = httpx.post(f"http://127.0.0.1:{edge.https_port}/v1/models", headers={"Authorization": "Bearer good"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert gateway.everything == []
