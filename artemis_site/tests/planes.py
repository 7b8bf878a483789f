"""More processes of a running platform, as behind the edge: planes on ports of their own that trust a proxy's word."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from artemis_site.tests.platform import Platform
from deploy.local.platform import ROOT
from deploy.local.ports import free_port


@dataclass
class Plane:
    """gunicorn with one worker; `plane`: all, gateway or portal."""

    platform: Platform
    plane: str = "all"
    host: str = "127.0.0.1"
    home: Path | None = None
    """Where it is drained, where it is not the platform's own."""
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        home = self.home or self.platform.home
        home.mkdir(exist_ok=True)
        return {
            **self.platform.environment(),
            **_servers(self.platform),
            "ARTEMIS_HOME": str(home),
            "ARTEMIS_BIND": self.host,
            "ARTEMIS_PORT": str(self.port),
            "ARTEMIS_PLANE": self.plane,
            "WEB_CONCURRENCY": "1",
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "REQUEST_IDS_FROM_PROXY": "true",
        }

    def __enter__(self) -> Self:
        with (self.platform.home / "logs" / f"plane-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.py"],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not self.is_ready():
            assert self.process.poll() is None, "the plane did not start"
            assert time.monotonic() < deadline, "the plane is not ready"
            time.sleep(0.1)
        return self

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://{self.address}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def restart(self) -> None:
        """As a roll-out does, at the same address: what is open ends first."""
        self.__exit__()
        self.__enter__()

    def __exit__(self, *raised: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


def _servers(platform: Platform) -> dict[str, str]:
    """Where PostgreSQL and Redis are, which a platform's processes find in its home otherwise."""
    return dict(line.split("=", 1) for line in (platform.home / "platform.env").read_text().splitlines())
