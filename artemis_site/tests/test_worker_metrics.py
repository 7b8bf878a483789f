"""A worker's own /metrics is for whoever has the token, and tells what its processes have counted."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from django.test import override_settings

from artemis_site.worker_metrics import Told

COUNT = """
from prometheus_client import Counter, Gauge
Counter("artemis_moons", "Seen").inc(3)
Gauge("artemis_moons_now", "Seen", multiprocess_mode="livesum").set(1)
Gauge("artemis_model_demand", "Asked", ["model"], multiprocess_mode="livesum").labels("moon").set(2)
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    for _ in range(2):  # two processes
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", COUNT], env=environment, check=True)
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    step, worker = Told(SimpleNamespace(steps=[])), SimpleNamespace()
    with override_settings(WORKER_METRICS_PORT=port, METRICS_TOKEN="moonlight", WORKER_METRICS_DIR=tmp_path):
        step.start(worker)
        yield f"http://127.0.0.1:{port}"
        step.stop(worker)


def test_with_the_token(address: str) -> None:
    answer = httpx.get(f"{address}/metrics", headers={"authorization": "Bearer moonlight"})
    assert answer.status_code == 200
    assert "artemis_moons_total 6.0" in answer.text
    assert "artemis_moons_now" not in answer.text  # of processes that have ended


def test_what_batches_ask_for_is_told_while_their_processes_live(address: str, tmp_path: Path) -> None:
    def told() -> str:
        return httpx.get(f"{address}/metrics", headers={"authorization": "Bearer moonlight"}).text

    assert "artemis_model_demand" not in told()
    command = [sys.executable, "-c", f"{COUNT}\nprint(flush=True)\ninput()"]
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    living = [subprocess.Popen(command, env=environment, stdin=-1, stdout=-1) for _ in range(2)]
    for process in living:
        assert process.stdout and process.stdout.readline()
    assert 'artemis_model_demand{model="moon"} 4.0' in told()
    assert "artemis_moons_now" not in told()
    for process in living:
        process.communicate(b"\n")
    assert "artemis_model_demand" not in told()


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer moon"}, {"authorization": "moonlight"}])
def test_without_it(address: str, headers: dict[str, str]) -> None:
    assert httpx.get(f"{address}/metrics", headers=headers).status_code == 404


def test_nothing_else_is_there(address: str) -> None:
    assert httpx.get(f"{address}/", headers={"authorization": "Bearer moonlight"}).status_code == 404


def test_none_is_told_where_there_is_no_token(address: str) -> None:
    with override_settings(METRICS_TOKEN=""):
        assert httpx.get(f"{address}/metrics", headers={"authorization": "Bearer"}).status_code == 404
