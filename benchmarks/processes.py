"""Processes: started with their output in a log, awaited, and asked of the kernel what they cost."""

import os
import resource
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class NotStartedError(Exception):
    """A process that did not answer in time; the message ends with its last words."""


@contextmanager
def process(
    command: list[str], *, log: Path, env: dict[str, str] | None = None, folder: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, *, child: subprocess.Popen[bytes], log: Path, seconds: float = 20) -> None:
    """Until the address answers, with whatever status: then somebody listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
            time.sleep(0.2)
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise NotStartedError(f"{url} did not answer:\n{log.read_text()[-3000:]}")


def allow_many_files() -> None:
    """For this process and those that it starts: 500 open streams are a thousand sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tree(pid: int) -> list[int]:
    """A process and those below it."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return [pid, *(grandchild for child in children for grandchild in tree(child))]


def cpu_seconds(roots: list[int]) -> float:
    return sum(_own_cpu_seconds(pid) for root in roots for pid in tree(root))


def _own_cpu_seconds(pid: int) -> float:
    """User and system time; unlike `ps`, summed over threads that ended as well."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def cpu_seconds_since_start(root: int) -> float:
    """As `cpu_seconds` of a server that starts a process for each of its clients: of those that have ended as well."""
    fields = Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()
    return cpu_seconds([root]) + (int(fields[13]) + int(fields[14])) / CLOCK_TICKS


def memory_bytes(roots: list[int]) -> int:
    """Proportional set size: a page that a master and its worker share is counted once between them."""
    return sum(_own_memory_bytes(pid) for root in roots for pid in tree(root))


def _own_memory_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
