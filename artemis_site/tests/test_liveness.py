"""`python -m deploy.alive`: a worker is alive while its children work, a process that lives is not enough."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis

from apps.common.tests.redis_server import Server
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_gateway_killed import children
from artemis_site.tests.test_limits import wait_for
from deploy.alive import STALE_SECONDS
from deploy.local.platform import ROOT
from deploy.local.platform import Platform as Supervisor
from deploy.local.ports import free_port

STALE = "2.5"  # seconds; the worker of this test sings each half
SLEEP = """
import os, time
from celery import shared_task
from pathlib import Path

@shared_task(name="sleep")
def sleep(seconds):
    sleeps = Path(os.environ["ARTEMIS_HOME"], "sleeps")
    sleeps.touch()
    time.sleep(seconds)
    sleeps.unlink()
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

    def worked_since(self, moment: float) -> Callable[[], bool]:
        return lambda: (self.home / "worker.alive").stat().st_mtime > moment

    @property
    def child(self) -> int:
        (pid,) = children(self.process.pid)
        return pid


def send_sleep(url: str, seconds: float) -> None:
    Celery(broker=url, set_as_current=False).send_task("sleep", args=[seconds])


def redis_url(platform: Platform, database: int) -> str:
    lines = dict(line.split("=", 1) for line in (platform.home / "platform.env").read_text().splitlines())
    return f"{lines['REDIS_URL'].rpartition('/')[0]}/{database}"


@contextmanager
def run_worker(home: Path, redis_url: str, environment: dict[str, str], *, children: int) -> Iterator[Worker]:
    """Without a beat."""
    (home / "naps.py").write_text(SLEEP)
    own = {"ARTEMIS_HOME": str(home), "REDIS_URL": redis_url, "WORKER_CANARY_SECONDS": "0.5", "PYTHONPATH": str(home)}
    command = ["celery", "-A", "artemis_site", "worker", "--include", "naps", "--concurrency", str(children)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env={**environment, **own}, stdout=log, stderr=log
        )
    worker = Worker(home, redis_url, process)
    assert not worker.alive()  # it has not begun
    try:
        wait_for((home / "worker.alive").exists, 60)
        yield worker
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def worker(running_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One child, and a database of Redis in which nobody else is."""
    url = redis_url(running_platform, 7)
    with run_worker(tmp_path_factory.mktemp("worker"), url, running_platform.environment(), children=1) as worker:
        yield worker


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "redis", durable=True)
    server.start()
    yield server
    server.kill()


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
    send_sleep(worker.redis_url, 8)
    time.sleep(1.5)
    slept = time.monotonic()
    while time.monotonic() - slept < 2 * float(STALE):
        assert worker.alive()
        time.sleep(0.5)


def test_a_worker_that_loses_redis_goes_on_when_it_is_back(platform: Platform, redis: Server, tmp_path: Path) -> None:
    """At once, though a task that it ran all the while takes longer, and after that one, which is acknowledged."""
    sleeps = tmp_path / "sleeps"
    with (
        run_worker(tmp_path, redis.url, platform.environment(), children=2) as worker,
        Redis.from_url(redis.url) as client,
    ):
        send_sleep(redis.url, 15)
        wait_for(sleeps.exists)
        redis.sync()
        redis.kill()
        redis.start()
        wait_for(worker.worked_since(time.time()))
        assert sleeps.exists()
        wait_for(lambda: not sleeps.exists() and not client.hlen("unacked"), 20)
        wait_for(worker.worked_since(time.time()))
        assert worker.process.poll() is None


def test_a_worker_goes_on_when_redis_has_room_again(platform: Platform, redis: Server, tmp_path: Path) -> None:
    with (
        run_worker(tmp_path, redis.url, platform.environment(), children=1) as worker,
        Redis.from_url(redis.url) as client,
    ):
        for _ in range(4):
            send_sleep(redis.url, 0.5)
        wait_for((tmp_path / "sleeps").exists)
        client.config_set("maxmemory", "1")
        time.sleep(2)  # in which it takes what it cannot keep
        client.config_set("maxmemory", "0")
        wait_for(worker.worked_since(time.time()))


def test_while_redis_is_away_no_worker_is_to_blame(tmp_path: Path) -> None:
    assert alive(tmp_path, "worker", redis_url=f"redis://127.0.0.1:{free_port()}/0") == 0


def test_the_worker_and_the_beat_of_a_platform_are_alive(platform: Platform) -> None:
    for name in ("worker", "beat"):
        file = platform.home / f"{name}.alive"
        wait_for(file.exists, 30)
        assert alive(platform.home, name, redis_url=redis_url(platform, 0), stale="30") == 0


@pytest.mark.parametrize("idle", ["worker", "beat"])
async def test_who_runs_one_machine_looks_at_both(platform: Platform, tmp_path: Path, idle: str) -> None:
    supervisor = Supervisor(tmp_path, port=0, bind="127.0.0.1")
    supervisor.environment = {"REDIS_URL": redis_url(platform, 0)}
    for name in ("worker", "beat"):
        (tmp_path / f"{name}.alive").touch()
    assert await supervisor.worker_works()
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(tmp_path / f"{idle}.alive", (long_ago, long_ago))
    assert not await supervisor.worker_works()
