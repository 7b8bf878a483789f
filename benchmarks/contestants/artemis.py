"""Artemis, all of it: keys, limits, holds and metering on, PostgreSQL and Redis real, the worker draining events."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contestants.contestant import MODEL, Contestant
from benchmarks.processes import process, tree, wait_for
from deploy.local.ports import free_port

NAME = "Artemis"


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    with (
        tempfile.TemporaryDirectory(prefix="artemis-bench-", ignore_cleanup_errors=True) as home,
        _platform(Path(home), folder, engine) as contestant,
    ):
        yield contestant


@contextmanager
def _platform(home: Path, folder: Path, engine: int) -> Iterator[Contestant]:
    port = free_port()
    models, log = folder / "models.yaml", folder / "artemis.log"
    models.write_text(json.dumps({"model_list": [_deployment(engine)]}))
    env = {
        "ARTEMIS_HOME": str(home),
        "ARTEMIS_PORT": str(port),
        "ENGINE": "none",
        "EMBEDDING_ENGINE": "none",
        "MODELS_FILE": str(models),
        "WEB_CONCURRENCY": "1",
        "GATEWAY_DEFAULT_RPM": "100000000",
        "GATEWAY_DEFAULT_TPM": "10000000000",
        "GATEWAY_DEFAULT_PARALLEL": "100000",
    }
    with process([sys.executable, "-m", "deploy.local"], env=env, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/readyz", seconds=90, child=child, log=log)
        while "Try it" not in log.read_text():
            time.sleep(0.2)
        token = json.loads((home / "quickstart.json").read_text())["api_key"]
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in tree(child.pid)}
        web = next(pid for pid, name in names.items() if b"gunicorn" in name)
        redis = [pid for pid, name in names.items() if b"valkey-server" in name]
        yield Contestant(NAME, port, [web], redis, token=token)


def _deployment(engine: int) -> dict[str, Any]:
    return {
        "model_name": MODEL,
        "litellm_params": {
            "model": f"hosted_vllm/{MODEL}",
            "api_base": f"http://127.0.0.1:{engine}/v1",
            "api_key": "none",
            "input_cost_per_token": "1e-7",
            "output_cost_per_token": "4e-7",
        },
    }
