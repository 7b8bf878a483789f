"""The configuration that is rendered from the environment: nginx takes it, or one sentence says what is wrong."""

import subprocess
from pathlib import Path

import pytest

from deploy.edge.tests.edge import FOLDER, NGINX, NGINXES, Edge, version

NEEDED = {"SERVER_NAME": "ai.example.com", "GATEWAY_UPSTREAM": "127.0.0.1:1", "PORTAL_UPSTREAM": "127.0.0.1:2"}


def render(folder: Path, *, nginx: str = NGINX, **settings: str) -> "subprocess.CompletedProcess[str]":
    edge = Edge(folder, "", "", {**NEEDED, **settings}, nginx)
    if not edge.certificate.exists():
        edge.renew_certificate()
    return subprocess.run(
        ["sh", str(FOLDER / "render.sh")], env=edge.environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("nginx", NGINXES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"SERVER_NAME": "_"},
        {"SERVER_NAME": "a.example.com, b.example.com c.example.com"},
        {"GATEWAY_UPSTREAM": "127.0.0.1:1,127.0.0.2:1", "PORTAL_UPSTREAM": "localhost:8000"},
        {"TLS_CERTIFICATE": "/nowhere/tls.crt"},
        {"TLS_CERTIFICATE": "/nowhere/tls.crt", "SERVER_NAME": "_", "ACME_ROOT": "/var/acme", "IPV6": "on"},
        {"IPV6": "on", "LOG_ADDRESSES": "off", "ACME_UPSTREAM": "127.0.0.1:8089"},
        {"TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.1,fd00::/8", "HSTS": "max-age=63072000; includeSubDomains; preload"},
        {"EYES_PORT": "31999"},
        {"EYES_PORT": "31999", "TRACES": "0"},
        {"EYES_PORT": "31999", "TRACES": "25", "TLS_CERTIFICATE": "/nowhere/tls.crt"},
        {"EYES_PORT": "31999", "TRACES": "100", "IPV6": "on"},
        {"MAX_BODY": "1g", "MAX_UPLOAD": "100k", "WORKERS": "1", "KEY_BURST": "1", "STREAM_TIMEOUT": "86400"},
    ],
)
def test_nginx_takes_what_is_rendered(tmp_path: Path, nginx: str, settings: dict[str, str]) -> None:
    done = render(tmp_path, nginx=nginx, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert "{{" not in done.stdout
    assert "\n%" not in done.stdout
    (tmp_path / "nginx.conf").write_text(done.stdout)
    for folder in ("run", "cache"):
        (tmp_path / folder).mkdir()
    tested = [nginx, "-e", "stderr", "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    said = subprocess.run(tested, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SERVER_NAME", "", "EDGE_SERVER_NAME is missing: give the host names that are served here, or _ for any."),
        ("SERVER_NAME", "a;b", "EDGE_SERVER_NAME: 'a;b' is not a host name."),
        ("SERVER_NAME", "*.example.com", "EDGE_SERVER_NAME: '*.example.com' is not a host name."),
        ("GATEWAY_UPSTREAM", "", "EDGE_GATEWAY_UPSTREAM is missing: give host:port of the gateway plane"),
        ("GATEWAY_UPSTREAM", "gateway", "EDGE_GATEWAY_UPSTREAM: 'gateway' is not host:port."),
        ("GATEWAY_UPSTREAM", "http://gateway:8000", "EDGE_GATEWAY_UPSTREAM: 'http://gateway:8000' is not host:port."),
        ("PORTAL_UPSTREAM", "portal:80,portal:99999", "EDGE_PORTAL_UPSTREAM: 'portal:99999' is not host:port."),
        ("PORTAL_UPSTREAM", "portal:80; }", "EDGE_PORTAL_UPSTREAM: 'portal:80;' is not host:port."),
        ("HTTP_PORT", "http", "EDGE_HTTP_PORT takes a whole number, from 1 to 65535, not 'http'."),
        ("HTTPS_PORT", "65536", "EDGE_HTTPS_PORT takes a whole number, from 1 to 65535, not '65536'."),
        ("KEY_SECONDS", "0", "EDGE_KEY_SECONDS takes a whole number, from 1 to 60, not '0'."),
        ("KEY_SECONDS", "5s", "EDGE_KEY_SECONDS takes a whole number, from 1 to 60, not '5s'."),
        ("ADDRESS_RATE", "99999999999999999999", "EDGE_ADDRESS_RATE takes a whole number, from 1 to 1000000, not"),
        ("ADDRESS_RATE", "-1", "EDGE_ADDRESS_RATE takes a whole number, from 1 to 1000000, not '-1'."),
        ("MAX_BODY", "10 MB", "EDGE_MAX_BODY takes a size such as 10m, not '10 MB'."),
        ("MAX_UPLOAD", "m", "EDGE_MAX_UPLOAD takes a size such as 10m, not 'm'."),
        ("MAINTENANCE", "maintenance", "EDGE_MAINTENANCE takes an absolute path, not 'maintenance'."),
        ("MAINTENANCE", "/a b", "EDGE_MAINTENANCE takes a path of letters, digits, '.', '_' and '-', not '/a b'."),
        ("TLS_KEY", "/a;b", "EDGE_TLS_KEY takes a path of letters, digits, '.', '_' and '-', not '/a;b'."),
        ("HSTS", 'max-age=1"', "EDGE_HSTS takes the value of the header Strict-Transport-Security, not 'max-age=1\"'."),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "EDGE_TRUSTED_PROXIES: 'proxy' is not an address or a network."),
        ("ACME_UPSTREAM", "solver", "EDGE_ACME_UPSTREAM: 'solver' is not host:port."),
        ("EYES_PORT", "off", "EDGE_EYES_PORT takes a whole number, from 1 to 65535, not 'off'."),
        ("TRACES", "101", "EDGE_TRACES takes a whole number, from 0 to 100, not '101'."),
        ("TRACES", "10", "EDGE_TRACES takes EDGE_EYES_PORT: who else makes the spans that planes are told of?"),
        ("IPV6", "yes", "EDGE_IPV6 is on or off, not 'yes'."),
        ("SERVER_NAME", "a\nb", "EDGE_SERVER_NAME has more than one line."),
        ("ADRESS_RATE", "5", "there is no setting EDGE_ADRESS_RATE; deploy/edge/README.md lists those that there are."),
    ],
)
def test_what_is_unknown_or_unfit_is_refused_in_one_sentence(
    tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    done = render(tmp_path, **{name: value})
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"edge: {sentence}")
    assert done.stderr.count("\n") == 1


def test_both_kinds_of_acme_are_one_too_many(tmp_path: Path) -> None:
    done = render(tmp_path, ACME_ROOT="/var/acme", ACME_UPSTREAM="solver:8089")
    assert done.returncode == 78
    assert "who answers the challenges?" in done.stderr


def test_what_kubernetes_says_of_a_service_is_no_setting(tmp_path: Path) -> None:
    services = {"SERVICE_HOST": "10.0.0.1", "PORT": "tcp://10.0.0.1:8443", "PORT_8443_TCP_PORT": "8443"}
    assert render(tmp_path, **services).returncode == 0


def test_an_edge_that_cannot_start_says_so_and_ends(tmp_path: Path) -> None:
    for settings in ({"HTTP_PORT": "0"}, {"GATEWAY_UPSTREAM": "nowhere.invalid:8000"}):
        edge = Edge(tmp_path, "127.0.0.1:1", "127.0.0.1:2", settings)
        edge.renew_certificate()
        done = subprocess.run(
            ["sh", str(FOLDER / "entrypoint.sh")], env=edge.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 78
        assert "EDGE_HTTP_PORT takes" in done.stderr or "host not found in upstream" in done.stderr


@pytest.mark.parametrize("nginx", NGINXES)
def test_names_that_move_take_a_newer_nginx(tmp_path: Path, nginx: str) -> None:
    done = render(tmp_path, nginx=nginx, RESOLVER="127.0.0.53")
    if version(nginx) >= (1, 27, 3):
        assert " resolve;" in done.stdout
    else:
        assert done.returncode == 78
        assert done.stderr.startswith("edge: EDGE_RESOLVER takes nginx 1.27.3 or later")


def test_readme_lists_every_setting() -> None:
    """And settings.sh every one that README lists."""
    known = {
        line.split()[1] for line in (FOLDER / "settings.sh").read_text().splitlines() if line.startswith("setting ")
    }
    table = {
        line.split("`")[1] for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| `EDGE_")
    }
    assert table == known
