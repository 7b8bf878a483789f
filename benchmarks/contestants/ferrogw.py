"""ferrogw, a gateway in Go: its own key checked, requests and answers parsed, nothing stored."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import Contestant
from benchmarks.contestants.environment import python_environment
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "ferrogw"
MODEL = "gpt-4o-mini"  # it serves what its catalogue knows


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    program = python_environment("ferrogw") / "bin" / "ferrogw"
    port, key = free_port(), "fgw_" + os.urandom(16).hex()
    env = {
        "PORT": str(port),
        "MASTER_KEY": key,
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{engine}",
        "RATE_LIMIT_RPS": "0",
        "LOG_LEVEL": "error",
        "GOMAXPROCS": "1",  # one worker, as everybody has
    }
    log = folder / "ferrogw.log"
    with process([str(program), "serve"], env=env, log=log, folder=folder) as child:
        wait_for(f"http://127.0.0.1:{port}/health", child=child, log=log)
        yield Contestant(NAME, port, [child.pid], token=key, model=MODEL)
