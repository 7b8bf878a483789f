"""A pytest plugin: each process that runs tests has a PostgreSQL, a Redis and temporary folders of its own.

They start before Django reads its settings. With xdist (`-n`) its workers start them, not who directs the workers.
`DATABASE_URL` and `REDIS_URL`, where set, are used instead.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from deploy.local import postgres, redis
from deploy.local.ports import free_port
from deploy.local.waiting import until_it_answers
from inference.process import tie_to_parent

PASSWORD = secrets.token_urlsafe(16)


def _start(command: list[str], log: Path, user: int | None = None) -> None:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            user=user,
            cwd="/",
            start_new_session=True,
            preexec_fn=tie_to_parent(signal.SIGINT),  # after kill -9, when nothing of ours runs at exit
        )

    def stop() -> None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)

    atexit.register(stop)


def start_servers() -> None:
    """And says in the environment where they are, until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="artemis-tests-"))
    folder.chmod(0o711)
    # Temporary folders of tests, too: pytest makes its usual root unpassable again whenever another run begins, and
    # PostgreSQL, as nobody, must pass.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    os.environ.setdefault("ARTEMIS_HOME", str(folder))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if "DATABASE_URL" not in os.environ:
        port = free_port()
        data = folder / "postgres"
        postgres.initialise(data, password=PASSWORD)
        _start(postgres.command(data, port=port, durable=False), folder / "postgres.log", postgres.user(data))
        os.environ["DATABASE_URL"] = postgres.url(port=port, password=PASSWORD, database="postgres")
        url = os.environ["DATABASE_URL"]
        until_it_answers(lambda: psycopg.connect(url).close(), psycopg.OperationalError)
    if "REDIS_URL" not in os.environ:
        port = free_port()
        _start(redis.command(folder / "redis", port=port, password=PASSWORD, durable=False), folder / "redis.log")
        os.environ["REDIS_URL"] = redis.url(port=port, password=PASSWORD)
        client = redis_client.Redis.from_url(os.environ["REDIS_URL"])
        until_it_answers(client.ping, redis_client.ConnectionError)


def _directs_workers(config: pytest.Config) -> bool:
    given = config.known_args_namespace
    return "PYTEST_XDIST_WORKER" not in os.environ and bool(
        getattr(given, "numprocesses", 0) or getattr(given, "tx", [])
    )


@pytest.hookimpl(wrapper=True)  # before pytest-django's, which reads the settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    os.environ["ARTEMIS_ENV"] = "test"
    # Else each of the hundred processes that tests start compiles all modules, and each worker rewrites all tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if not _directs_workers(early_config):
        start_servers()
    elif "REDIS_URL" in os.environ:
        raise pytest.UsageError("tests empty their Redis: with -n each worker needs its own, so unset REDIS_URL")
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is stopped
    if "PYTEST_XDIST_WORKER" in os.environ:
        config.option.basetemp = None  # else one below that of who directs, out of PostgreSQL's reach
