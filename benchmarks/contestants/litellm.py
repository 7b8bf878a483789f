"""LiteLLM's own proxy, one worker, no database."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import MODEL, Contestant
from benchmarks.contestants.environment import python_environment
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "LiteLLM proxy"


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    program = python_environment("litellm") / "bin" / "litellm"
    port, master = free_port(), "sk-" + os.urandom(24).hex()
    address = {"api_base": f"http://127.0.0.1:{engine}/v1", "api_key": "none"}
    config, log = folder / "litellm.yaml", folder / "litellm.log"
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": {"model": f"hosted_vllm/{MODEL}", **address}}],
                "general_settings": {"master_key": master},
            }
        )
    )
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    with process([*command, "--num_workers", "1"], env=env, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", seconds=120, child=child, log=log)
        yield Contestant(NAME, port, [child.pid], token=master)
