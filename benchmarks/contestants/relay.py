"""The bare ASGI relay under uvicorn: what Python can do at best."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import Contestant
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "bare ASGI relay"


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    port = free_port()
    application = "benchmarks.contestants.relay_application:application"
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    log = folder / "relay.log"
    with process(command, env={"UPSTREAM": f"http://127.0.0.1:{engine}"}, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health", child=child, log=log)
        yield Contestant(NAME, port, [child.pid])
