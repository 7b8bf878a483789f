"""deploy/eyes beside an edge of the tests, as its pod has it: a process of its own, which Prometheus asks."""

import os
import subprocess
import sys
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.edge.tests.edge import Edge, fixed_port
from deploy.local.platform import ROOT

ORDER = ("plane", "route", "status", "outcome", "state")


class Eyes:
    """`with Eyes() as eyes: edge = Edge(…, eyes.settings)`."""

    def __init__(self, **environment: str) -> None:
        self.environment = {**os.environ, **environment}
        self.nginx_port, self.port = fixed_port(), fixed_port()

    @property
    def settings(self) -> dict[str, str]:
        return {"EYES_PORT": str(self.nginx_port)}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metrics"

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        command = ["-m", "deploy.eyes", "--nginx", f"127.0.0.1:{self.nginx_port}", "--port", str(self.port)]
        self.process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self.environment)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def told(self) -> str:
        return httpx.get(self.url, timeout=5).raise_for_status().text

    def figures(self, name: str) -> dict[str, float]:
        """Of a metric: what it tells now, by its labels' values, joined by spaces."""
        samples = [sample for family in text_string_to_metric_families(self.told()) for sample in family.samples]
        return {
            " ".join(one.labels[label] for label in ORDER if label in one.labels): one.value
            for one in samples
            if one.name == name
        }

    def is_there(self) -> bool:
        try:
            return bool(self.told())
        except httpx.TransportError:
            return False

    def wait(self, edge: Edge) -> None:
        """Until it tells."""
        edge.wait_for(self.is_there)
