"""The contestants: each started in processes of its own, in front of the same fake engine, one worker each."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
MODEL = "bench-model"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Contestant:
    """A gateway that runs: where it listens, the key it takes, and the processes whose CPU time is its cost."""

    name: str
    port: int
    token: str
    pids: list[int]
    others: list[int] = field(default_factory=list)  # Redis, for Artemis: shown beside, not hidden

    def cpu_seconds(self) -> float:
        return _cpu_seconds(self.pids)

    def others_seconds(self) -> float:
        return _cpu_seconds(self.others)


def _cpu_seconds(roots: list[int]) -> float:
    return sum(_own_cpu(pid) for root in roots for pid in _tree(root))


def _own_cpu(pid: int) -> float:
    """User and system time; unlike `ps`, summed over threads that ended as well."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def _tree(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(grandchild for child in children for grandchild in _tree(child))]


@contextmanager
def process(command: list[str], *, env: dict[str, str] | None = None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


def wait_for(url: str, *, seconds: float, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer:\n{log.read_text()[-3000:]}")


@contextmanager
def fake_engine(folder: Path, *, output_tokens: int) -> Iterator[int]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "inference.fake",
        "--port",
        str(port),
        "--output-tokens",
        str(output_tokens),
    ]
    log = folder / f"engine-{port}.log"
    with process(command, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health", seconds=20, child=child, log=log)
        yield port


@contextmanager
def bare_relay(folder: Path, engine: int) -> Iterator[Contestant]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.relay:application", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    log = folder / "relay.log"
    with process(command, env={"UPSTREAM": f"http://127.0.0.1:{engine}"}, log=log) as child:
        time.sleep(1.5)
        yield Contestant("bare ASGI relay", port, "none", [child.pid])


@contextmanager
def artemis(folder: Path, engine: int) -> Iterator[Contestant]:
    """All of it: keys, limits, holds and metering on, PostgreSQL and Redis real, the worker draining events."""
    home, port = Path(tempfile.mkdtemp(prefix="artemis-bench-")), free_port()
    models = folder / "models.yaml"
    models.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": MODEL,
                        "litellm_params": {
                            "model": f"hosted_vllm/{MODEL}",
                            "api_base": f"http://127.0.0.1:{engine}/v1",
                            "api_key": "none",
                            "input_cost_per_token": "1e-7",
                            "output_cost_per_token": "4e-7",
                        },
                    }
                ]
            }
        )
    )
    env = {
        "ARTEMIS_HOME": str(home), "ARTEMIS_PORT": str(port), "ENGINE": "none", "EMBEDDING_ENGINE": "none",
        "MODELS_FILE": str(models), "WEB_CONCURRENCY": "1", "GATEWAY_DEFAULT_RPM": "100000000",
        "GATEWAY_DEFAULT_TPM": "1000000000", "GATEWAY_DEFAULT_PARALLEL": "100000",
    }  # fmt: skip
    log = folder / "artemis.log"
    with process([sys.executable, "-m", "deploy.local"], env=env, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/readyz", seconds=90, child=child, log=log)
        while "Try it" not in log.read_text():
            time.sleep(0.2)
        token = json.loads((home / "quickstart.json").read_text())["api_key"]
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in _tree(child.pid)}
        web = next(pid for pid, name in names.items() if b"gunicorn" in name)
        redis = [pid for pid, name in names.items() if b"valkey-server" in name]
        yield Contestant("Artemis", port, token, [web], redis)


@contextmanager
def litellm_proxy(folder: Path, engine: int) -> Iterator[Contestant]:
    """LiteLLM's own proxy, from PyPI in an environment of its own, one worker, no database."""
    python = _litellm_environment()
    port, master = free_port(), "sk-" + os.urandom(24).hex()
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({
        "model_list": [{"model_name": MODEL, "litellm_params": {
            "model": f"hosted_vllm/{MODEL}", "api_base": f"http://127.0.0.1:{engine}/v1", "api_key": "none"}}],
        "general_settings": {"master_key": master},
    }))  # fmt: skip
    log = folder / "litellm.log"
    command = [
        str(python.parent / "litellm"),
        "--config",
        str(config),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    with process([*command, "--num_workers", "1"], env=env, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", seconds=120, child=child, log=log)
        yield Contestant("LiteLLM proxy", port, master, [child.pid])


def _litellm_environment() -> Path:
    folder = ROOT / ".artemis" / "benchmarks"
    python = folder / "bin" / "python"
    lock = ROOT / "benchmarks" / "requirements.lock"
    marker = folder / "installed"
    if not marker.exists() or marker.read_text() != lock.read_text():
        uv = str(Path(sys.executable).parent / "uv")
        print("installing LiteLLM's proxy into an environment of its own …", flush=True)
        subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(folder)], check=True)
        install = [
            uv,
            "pip",
            "install",
            "-q",
            "--compile-bytecode",
            "--python",
            str(python),
            "--require-hashes",
        ]
        subprocess.run([*install, "-r", str(lock)], check=True)
        marker.write_text(lock.read_text())
    return python
