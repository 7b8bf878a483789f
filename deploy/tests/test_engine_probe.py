"""The probe that vLLM's pods run: the very files of inference/, alone with Python's standard library."""

import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY
from deploy.checks.workloads import of_kind, workloads
from inference import pod_probe
from inference.fake.control import FakeServer

COPIES = DEPLOY / "base" / "engines" / "probe"
SOURCES = DEPLOY.parent / "inference"
LOOKS = {"num_requests_running": 2, "generation_tokens_total": 10}


def test_copies_are_the_sources() -> None:
    for copy in COPIES.glob("*.py"):
        assert copy.read_text() == (SOURCES / copy.name).read_text(), f"cp inference/{copy.name} {copy.parent}"


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The pod's volume, as the ConfigMap fills it."""
    folder = tmp_path / "probe"
    (folder / "inference").mkdir(parents=True)
    (shipped,) = [
        one
        for name, one in of_kind(rendering.overlay("production", "engines"), "ConfigMap").items()
        if name.startswith("engine-probe-")
    ]
    for name, text in shipped["data"].items():
        (folder / "inference" / name).write_text(text)
    return folder


def ask(mounted: Path, port: int) -> subprocess.CompletedProcess[str]:
    """As the pod's command has it, on this port and in this folder."""
    (engine,) = [one for one in workloads(rendering.overlay("production")) if one.name == "vllm-qwen3-4b"]
    command = engine.containers[0]["livenessProbe"]["exec"]["command"]
    assert command[-1] == str(engine.containers[0]["ports"][0]["containerPort"])
    words = [word.replace("/probe", str(mounted)).replace("python3", sys.executable) for word in command[:-1]]
    words += [str(port), str(mounted / "state.json")]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=mounted, timeout=60)


@pytest.mark.skipif(shutil.which("env") is None, reason="needs coreutils' env, as every image has it")
def test_the_pods_command_by_itself(mounted: Path) -> None:
    with FakeServer() as engine:
        assert ask(mounted, engine.port).returncode == 0
        assert (mounted / "state.json").exists()
        engine.kill()
        assert ask(mounted, engine.port).returncode == 0, "45 seconds are forgiven, and three failures follow"


def test_a_pod_that_makes_no_token_is_not_alive(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with FakeServer() as engine:
        engine.set_metrics(**LOOKS)
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0
        engine.set_metrics(**LOOKS | {"generation_tokens_total": 11})
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 1, "no token since, and requests run"
        engine.set_metrics(**LOOKS | {"generation_tokens_total": 12})
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0, "one token, and it is forgiven"
        engine.set_metrics(num_requests_running=0)
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0, "nothing runs"


class Unhealthy(BaseHTTPRequestHandler):
    """Tells its figures, and is not well: as vLLM's server where its engine died."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/health" else 200)
        self.end_headers()
        self.wfile.write(b"vllm:num_requests_running 0\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_health_must_answer_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_probe, "SILENT_SECONDS", 0)
    with FakeServer() as engine:
        assert pod_probe.main(engine.port, tmp_path / "state.json") == 0
    with HTTPServer(("127.0.0.1", 0), Unhealthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert pod_probe.main(server.server_port, tmp_path / "state.json") == 1
        server.shutdown()


def test_what_the_container_before_did_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state.json"
    with FakeServer() as engine:
        engine.set_metrics(**LOOKS)
        for _ in range(2):
            pod_probe.main(engine.port, state, stuck_seconds=0)
        monkeypatch.setattr(pod_probe, "FORGET_SECONDS", 0)
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0
        monkeypatch.undo()
        state.write_text("{")
        assert pod_probe.main(engine.port, state, stuck_seconds=0) == 0, "nor is a torn file a reason"


def test_the_probe_ends_before_kubernetes_ends_it() -> None:
    for environment in ("staging", "production"):
        for workload in workloads(rendering.overlay(environment)):
            for container in workload.containers:
                if workload.labels["app.kubernetes.io/name"] == "vllm":
                    probe = container["livenessProbe"]
                    assert probe["timeoutSeconds"] > 2 * pod_probe.ASK_SECONDS
                    assert probe["periodSeconds"] < pod_probe.FORGET_SECONDS
                    assert probe["terminationGracePeriodSeconds"] < workload.spec["terminationGracePeriodSeconds"]
