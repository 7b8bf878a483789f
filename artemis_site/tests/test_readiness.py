"""/readyz: who is about to stop says so first, and who asks chooses what to ask for."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from artemis_site.tests.platform import SMALL_MODEL, Platform
from artemis_site.tests.test_limits import wait_for
from deploy.local.platform import ROOT


@pytest.fixture(autouse=True)
def well(platform: Platform) -> None:
    """All its processes: what a test before this one killed comes back within half a minute."""
    wait_for(lambda: all(ready(platform).status_code == 200 for _ in range(12)), 30)


@pytest.fixture
def draining(platform: Platform) -> Iterator[None]:
    environment = {**os.environ, "ARTEMIS_HOME": str(platform.home), "DRAIN_SECONDS": "0"}
    subprocess.run([sys.executable, "-m", "deploy.drain"], cwd=ROOT, env=environment, check=True)
    yield
    (platform.home / "draining").unlink()


def ready(platform: Platform, query: str = "") -> httpx.Response:
    return httpx.get(f"{platform.base_url}/readyz{query}")


def test_what_is_asked_for_is_told(platform: Platform) -> None:
    checks = {"redis": True, "postgres": True, "catalog": True}
    assert ready(platform).json() == {"status": "ready", "checks": checks}
    assert ready(platform, "?exclude=redis&exclude=postgres").json()["checks"] == {"catalog": True}
    refused = ready(platform, "?exclude=luck")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "exclude")


@pytest.mark.usefixtures("draining")
def test_who_drains_is_not_ready_and_answers(platform: Platform) -> None:
    for query in ("", "?exclude=redis&exclude=postgres&exclude=catalog"):
        answer = ready(platform, query)
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert httpx.get(f"{platform.base_url}/healthz").status_code == 200
    wait_for(lambda: httpx.get(f"{platform.base_url}/healthz").headers.get("connection") == "close")
    request = {"model": SMALL_MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    assert platform.post("/v1/chat/completions", json=request).status_code == 200


def test_connections_are_kept_again_afterwards(platform: Platform) -> None:
    wait_for(lambda: "connection" not in httpx.get(f"{platform.base_url}/healthz").headers)
