"""The fake engine that all of them stand in front of; asked straight, it says what a gateway adds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import Contestant
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "the engine itself"


@contextmanager
def running_engine(folder: Path, *, tokens_per_second: int | None = None, workers: int = 1) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "inference.fake", "--port", str(port), "--workers", str(workers)]
    command += ["--output-tokens", "512", "--max-model-len", "1000000", "--max-running", "2000"]
    if tokens_per_second:
        command += ["--tokens-per-second", str(tokens_per_second)]
    log = folder / f"engine-{port}.log"
    with process(command, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health", child=child, log=log)
        yield port


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    """Already running: its CPU is everybody's upstream, and nobody's cost."""
    yield Contestant(NAME, engine, [])
