"""PostgreSQL and Redis as `make run` starts them, for benchmarks of the platform itself, and their stages."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis as redis_client

from benchmarks.processes import ROOT, cpu_seconds_since_start
from deploy.local import postgres, redis
from deploy.local.ports import free_port
from deploy.local.waiting import until_it_answers


@dataclass(frozen=True)
class Machine:
    """The servers that are running: the environment that names them, and PostgreSQL's first process."""

    environment: dict[str, str]
    postgres: int

    def stage(self, module: str, name: str, *arguments: Any) -> dict[str, Any]:
        """In a process of its own, so that the most memory that it had is the stage's. What it says goes through."""
        command = [sys.executable, "-m", "benchmarks.stage", module, name, json.dumps(arguments)]
        before = cpu_seconds_since_start(self.postgres)
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer | {"database_cpu": cpu_seconds_since_start(self.postgres) - before}


@contextmanager
def machine() -> Iterator[Machine]:
    """Migrated and empty; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="artemis-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL, as nobody, must pass
        with _servers(folder) as started:
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=started.environment, check=True
            )
            yield started


@contextmanager
def _servers(folder: Path) -> Iterator[Machine]:
    """They wait for the disk."""
    password = secrets.token_urlsafe(16)
    ports = free_port(), free_port()
    data = folder / "postgres"
    postgres.initialise(data, password=password)
    database = postgres.url(port=ports[0], password=password, database="postgres")
    store = redis.url(port=ports[1], password=password)
    with (
        _server(postgres.command(data, port=ports[0]), folder, postgres.user(data)) as first,
        _server(redis.command(folder / "redis", port=ports[1], password=password), folder, None),
    ):
        until_it_answers(lambda: psycopg.connect(database).close(), psycopg.OperationalError)
        until_it_answers(redis_client.Redis.from_url(store).ping, redis_client.ConnectionError)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "artemis_site.settings",
            "ARTEMIS_HOME": str(folder / "home"),
            "DATABASE_URL": database,
            "REDIS_URL": store,
            "LOG_LEVEL": "ERROR",
        }
        yield Machine(environment, first)


@contextmanager
def _server(command: list[str], folder: Path, user: int | None) -> Iterator[int]:
    with (folder / "servers.log").open("ab") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd="/", start_new_session=True)
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGINT)  # PostgreSQL does not wait for those who are connected
        child.wait(60)
