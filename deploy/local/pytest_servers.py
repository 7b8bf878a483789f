"""A pytest plugin: a PostgreSQL and a Redis of the test run's own, started before Django reads its settings.

`DATABASE_URL` and `REDIS_URL`, where set, are used instead.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import redis as redis_client

from deploy.local import postgres, redis
from deploy.local.ports import free_port
from deploy.local.waiting import until_it_answers

PASSWORD = secrets.token_urlsafe(16)


def _start(command: list[str], log: Path, user: int | None = None) -> None:
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd="/", start_new_session=True)

    def stop() -> None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)

    atexit.register(stop)


def _start_servers() -> None:
    folder = Path(tempfile.mkdtemp(prefix="artemis-tests-"))
    folder.chmod(0o711)
    # Temporary folders of tests, too: pytest makes its usual root unpassable again whenever another run begins, and
    # PostgreSQL, as nobody, must pass.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    os.environ["ARTEMIS_ENV"] = "test"
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


_start_servers()
