"""Gives a process its input and takes its output, within a time and a size."""

import contextlib
import os
import resource
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

AT_ONCE = 64 * 1024
MOST_COMPLAINT = 4_000
LEAVE = 1.0
"""Seconds that a process has to end once it has closed its output."""


@dataclass(slots=True)
class Ended:
    """`status`: below zero, the signal that it died of. `busy`: seconds on the processor."""

    answer: bytearray = field(default_factory=bytearray)
    complaint: bytearray = field(default_factory=bytearray)
    status: int = 0
    busy: float = 0.0
    too_late: bool = False
    too_long: bool = False


def exchanged(process: subprocess.Popen[bytes], given: Iterable[bytes], *, seconds: float, most: int) -> Ended:
    """Leaves neither the process nor a pipe behind, whatever is raised in this thread meanwhile."""
    ended = Ended()
    leave = 0.0
    try:
        _pump(process, deque(memoryview(part) for part in given if part), ended, time.monotonic() + seconds, most)
        leave = 0.0 if ended.too_late or ended.too_long else LEAVE
    finally:
        ended.status, usage = _reaped(process, leave)
        ended.busy = usage.ru_utime + usage.ru_stime if usage else seconds
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return ended


def _pump(process: subprocess.Popen[bytes], given: deque[memoryview], ended: Ended, deadline: float, most: int) -> None:
    assert process.stdin and process.stdout and process.stderr  # noqa: S101  they are pipes
    into = process.stdin.fileno()
    os.set_blocking(into, False)
    with selectors.DefaultSelector() as selector:
        selector.register(into, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ, ended.answer)
        selector.register(process.stderr, selectors.EVENT_READ, ended.complaint)
        while len(selector.get_map()) > (into in selector.get_map()):
            left = deadline - time.monotonic()
            if left <= 0:
                ended.too_late = True
                return
            for key, _ in selector.select(left):
                more = _written(into, given) if key.fd == into else _taken(key.fd, key.data)
                if not more:
                    selector.unregister(key.fileobj)
            del ended.complaint[MOST_COMPLAINT:]
            if len(ended.answer) > most:
                ended.too_long = True
                return


def _written(into: int, given: deque[memoryview]) -> bool:
    """Whether there is more to write; not where nobody reads any longer."""
    try:
        written = os.write(into, given[0][: AT_ONCE * 16]) if given else 0
    except BrokenPipeError:
        return False
    if given:
        given[0] = given[0][written:]
        if not given[0]:
            given.popleft()
    return bool(given)


def _taken(out: int, taken: bytearray) -> bool:
    """Whether there may be more to read."""
    part = os.read(out, AT_ONCE)
    taken += part
    return bool(part)


def _reaped(process: subprocess.Popen[bytes], leave: float) -> tuple[int, resource.struct_rusage | None]:
    """Its status and what it used; killed where it does not go within `leave` seconds."""
    until = time.monotonic() + leave
    with contextlib.suppress(ChildProcessError):  # who ignores SIGCHLD has nobody to wait for
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not pid and time.monotonic() < until:
            time.sleep(0.001)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not pid:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage
    process.returncode = 0
    return 0, None
