"""`make bench-billing`: how fast use becomes a bill, and what a year of it costs the portal's usage page."""

import argparse
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

LEAST_PER_SECOND = 5000
MOST_MS = 200.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.billing", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="settled, drained and posted")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the year before, for the usage page; 0: none")
    parser.add_argument("--accounts", type=int, default=100)
    return parser.parse_args()


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="artemis-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL, as nobody, must pass
        with servers(folder) as machine:
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=machine.environment, check=True
            )
            stage(machine, "stream", "found", options.accounts)
            use_becomes_a_bill(machine, options.events)
            if options.rows:
                the_usage_page(machine, options.rows)
    return 0  # whatever the timings: another machine has others


def use_becomes_a_bill(machine: "Machine", events: int) -> None:
    print("| stage | events | seconds | events/s | its CPU s | PostgreSQL's CPU s | MB before | most MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    seconds = 0.0
    for name in ("settle", "drain", "post"):
        done = stage(machine, "stream", name, events)
        seconds += done["seconds"] if name != "settle" else 0
        cells = (
            *(name, str(events), f"{done['seconds']:.1f}", f"{events / done['seconds']:.0f}"),
            *(f"{done['cpu']:.1f}", f"{done['database_cpu']:.1f}", f"{done['mb']:.0f}", f"{done['peak_mb']:.0f}"),
        )
        print(f"| {' | '.join(cells)} |", flush=True)
    rate = events / seconds
    print(f"\nDrained, rolled up and posted: {rate:.0f} events/s; {LEAST_PER_SECOND} are wanted: {verdict(rate)}.")
    checked = stage(machine, "stream", "check", events)
    print(f"{checked['events']} events recorded, {checked['transactions']} transactions, the ledger is sound.\n")


def the_usage_page(machine: "Machine", rows: int) -> None:
    filled = stage(machine, "history", "fill", rows)
    print(f"{filled['events']} events in {filled['months']} months, {filled['gb']:.1f} GB; the largest account has")
    print(
        f"{filled['largest']} of them, and {filled['hours']} rows of sums by hour. {filled['seconds']:.0f} s to make.\n"
    )
    print("| usage page of the largest account | queries | first ms | then ms | slowest query ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    worst = 0.0
    for page in stage(machine, "history", "pages", 0)["pages"]:
        worst = max(worst, page["first_ms"], page["then_ms"])
        print(
            f"| `{page['address']}` | {page['queries']} | {page['first_ms']:.1f} | {page['then_ms']:.1f} "
            f"| {page['slowest_ms']:.1f} |"
        )
    print(f"\nDatabase time of the slowest: {worst:.0f} ms; {MOST_MS:.0f} are allowed: {verdict(MOST_MS, worst)}.")


def verdict(measured: float, least: float = LEAST_PER_SECOND) -> str:
    return "reached" if measured >= least else "**missed**"


def stage(machine: "Machine", module: str, name: str, count: int) -> dict[str, Any]:
    """In a process of its own, so that the most memory that it had is the stage's."""
    command = [sys.executable, "-m", "benchmarks.billing.stage", module, name, str(count)]
    before = cpu_seconds_since_start(machine.postgres)
    done = subprocess.run(command, cwd=ROOT, env=machine.environment, check=True, stdout=subprocess.PIPE)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer | {"database_cpu": cpu_seconds_since_start(machine.postgres) - before}


@dataclass(frozen=True)
class Machine:
    """The servers that are running: the environment that names them, and PostgreSQL's first process."""

    environment: dict[str, str]
    postgres: int


@contextmanager
def servers(folder: Path) -> Iterator[Machine]:
    """A PostgreSQL and a Redis as `make run` starts them, which wait for the disk."""
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


if __name__ == "__main__":
    sys.exit(main())
