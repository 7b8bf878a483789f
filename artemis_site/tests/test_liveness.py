"""`python -m deploy.alive`: a worker is alive while its children work, a process that lives is not enough."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery

from artemis_site.tests.platform import Platform
from artemis_site.tests.test_gateway_killed import children
from artemis_site.tests.test_limits import wait_for
from deploy.local.platform import ROOT
from deploy.local.ports import free_port

STALE = "2.5"  # seconds; the worker of this test sings each half
SLEEP = """
import time
from celery import shared_task

@shared_task(name="sleep")
def sleep(seconds):
    time.sleep(seconds)
"""


def alive(home: Path, name: str, *, redis_url: str, stale: str = STALE) -> int:
    environment = {**os.environ, "ARTEMIS_HOME": str(home), "REDIS_URL": redis_url}
    return subprocess.run(
        [sys.executable, "-m", "deploy.alive", name, stale], cwd=ROOT, env=environment, check=False
    ).returncode


@dataclass
class Worker:
    home: Path
    redis_url: str
    process: "subprocess.Popen[bytes]"

    def alive(self) -> bool:
        return not alive(self.home, "worker", redis_url=self.redis_url)

    @property
    def child(self) -> int:
        (pid,) = children(self.process.pid)
        return pid


def redis_url(platform: Platform, database: int) -> str:
    lines = dict(line.split("=", 1) for line in (platform.home / "platform.env").read_text().splitlines())
    return f"{lines['REDIS_URL'].rpartition('/')[0]}/{database}"


@pytest.fixture(scope="module")
def worker(running_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One child, no beat, and a database of Redis in which nobody else is."""
    tmp_path = tmp_path_factory.mktemp("worker")
    (tmp_path / "naps.py").write_text(SLEEP)
    url = redis_url(running_platform, 7)
    environment = {
        **running_platform.environment(),
        "ARTEMIS_HOME": str(tmp_path),
        "REDIS_URL": url,
        "WORKER_CANARY_SECONDS": "0.5",
        "PYTHONPATH": str(tmp_path),
    }
    command = ["celery", "-A", "artemis_site", "worker", "--include", "naps", "--concurrency", "1"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=log, stderr=log)
    worker = Worker(tmp_path, url, process)
    assert not worker.alive()  # it has not begun
    try:
        wait_for((tmp_path / "worker.alive").exists, 60)
        yield worker
    finally:
        process.terminate()
        process.wait(30)


def test_a_worker_whose_children_do_nothing_is_not_alive(worker: Worker) -> None:
    assert worker.alive()
    child = worker.child
    os.kill(child, signal.SIGSTOP)
    try:
        wait_for(lambda: not worker.alive())
        assert worker.process.poll() is None
    finally:
        os.kill(child, signal.SIGCONT)
    wait_for(worker.alive)


def test_a_worker_whose_children_are_all_at_work_is_alive(worker: Worker) -> None:
    assert worker.alive()
    Celery(broker=worker.redis_url, set_as_current=False).send_task("sleep", args=[8])
    time.sleep(1.5)
    slept = time.monotonic()
    while time.monotonic() - slept < 2 * float(STALE):
        assert worker.alive()
        time.sleep(0.5)


def test_while_redis_is_away_no_worker_is_to_blame(tmp_path: Path) -> None:
    assert alive(tmp_path, "worker", redis_url=f"redis://127.0.0.1:{free_port()}/0") == 0


def test_the_worker_and_the_beat_of_a_platform_are_alive(platform: Platform) -> None:
    for name in ("worker", "beat"):
        file = platform.home / f"{name}.alive"
        wait_for(file.exists, 30)
        assert alive(platform.home, name, redis_url=redis_url(platform, 0), stale="30") == 0
