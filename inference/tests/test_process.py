"""A supervised child: crashes, readiness, stopping, and the death of its supervisor."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from inference.probes import http_ready
from inference.process import Backoff, ManagedProcess, ProcessError, ProcessSpec
from inference.tests.waiting import until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);print('up', flush=True); time.sleep(60)"
ENDLESS = "import time; print('up', flush=True); time.sleep(60)"


class Nursery:
    """Makes processes and stops them at the end of the test."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "logs" / "child.log"
        self.events: list[str] = []
        self._made: list[ManagedProcess] = []

    def make(self, code: str, **settings: Any) -> ManagedProcess:
        spec = ProcessSpec(name="child", argv=[sys.executable, "-c", code], log_path=self.log, **settings)
        process = ManagedProcess(spec, report=lambda name, event: self.events.append(f"{name} {event}"))
        self._made.append(process)
        return process

    async def close(self) -> None:
        for process in self._made:
            await process.stop(grace_seconds=0.1)


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    nursery = Nursery(tmp_path)
    yield nursery
    await nursery.close()


async def test_a_child_that_lives_and_does_nothing_is_started_again(nursery: Nursery) -> None:
    answers = iter([True, False])

    async def alive() -> bool:
        return next(answers, True)

    process = nursery.make(ENDLESS, alive=alive, alive_seconds=0.05, backoff=Backoff(first=0.01))
    await process.start()
    first = process.pid
    await until(lambda: process.restarts == 1 and process.is_running)
    assert process.pid != first
    assert nursery.events == [
        "child lives and makes no progress; it is killed",
        "child ended with SIGKILL; starting again in 0.01 s",
    ]


async def test_it_may_say_no_a_few_times(nursery: Nursery) -> None:
    asked: list[bool] = []

    async def alive() -> bool:
        asked.append(len(asked) in (2, 6))
        return asked[-1]

    process = nursery.make(ENDLESS, alive=alive, alive_seconds=0.05, alive_failures=3, backoff=Backoff(first=0.01))
    await process.start()
    await until(lambda: process.restarts == 1)
    assert asked[:6] == [False, False, True, False, False, False]


async def test_output_is_appended_to_the_log(nursery: Nursery) -> None:
    nursery.log.parent.mkdir()
    nursery.log.write_text("before\n")
    process = nursery.make("import sys; print('out'); print('err', file=sys.stderr)", restart=False)
    await process.start()
    assert await process.wait() == 0
    assert sorted(nursery.log.read_text().split()) == ["before", "err", "out"]
    assert "before" not in process.log_tail()


async def test_a_crashed_child_is_started_again_with_growing_delays(nursery: Nursery) -> None:
    process = nursery.make("import sys; sys.exit(3)", backoff=Backoff(first=0.01, longest=0.04))
    await process.start()
    await until(lambda: process.restarts >= 4)
    delays = [event.rsplit(" ", 2)[1] for event in nursery.events[:4]]
    assert delays == ["0.01", "0.02", "0.04", "0.04"]
    assert "exit status 3" in nursery.events[0]


async def test_a_while_in_health_resets_the_delay(nursery: Nursery) -> None:
    process = nursery.make("import time; time.sleep(0.05)", backoff=Backoff(first=0.01, longest=1, healthy=0.02))
    await process.start()
    await until(lambda: process.restarts >= 3)
    assert all(event.endswith("in 0.01 s") for event in nursery.events[:3])


async def test_a_child_killed_from_outside_comes_back(nursery: Nursery) -> None:
    process = nursery.make(ENDLESS, backoff=Backoff(first=0.01))
    await process.start()
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: process.pid not in (None, first))
    assert "SIGKILL" in nursery.events[0]


async def test_a_child_that_ends_before_it_is_ready_shows_its_last_lines(nursery: Nursery, port: int) -> None:
    process = nursery.make(
        "import sys; print('the disk is on fire'); sys.exit(1)", ready=http_ready(f"http://127.0.0.1:{port}/")
    )
    await process.start()
    with pytest.raises(ProcessError, match=r"(?s)exit status 1.*the disk is on fire"):
        await process.wait_ready()
    assert process.restarts == 0


async def test_a_child_that_is_never_ready_shows_its_last_lines(nursery: Nursery, port: int) -> None:
    process = nursery.make(ENDLESS, ready=http_ready(f"http://127.0.0.1:{port}/"))
    await process.start()
    await until(lambda: "up" in process.log_tail())
    with pytest.raises(ProcessError, match=r"(?s)not ready within.*up"):
        await process.wait_ready(timeout=0.2)


async def test_ready_when_the_server_answers(nursery: Nursery, port: int) -> None:
    address = f"('127.0.0.1', {port})"
    code = f"import http.server as h; h.HTTPServer({address}, h.SimpleHTTPRequestHandler).serve_forever()"
    process = nursery.make(code, ready=http_ready(f"http://127.0.0.1:{port}/"), ready_timeout=10)
    await process.start()
    await process.wait_ready()
    assert process.is_running


async def test_stop_kills_a_child_that_ignores_the_signal(nursery: Nursery) -> None:
    process = nursery.make(STUBBORN)
    await process.start()
    await until(lambda: "up" in process.log_tail())
    began = time.monotonic()
    await process.stop(grace_seconds=0.2)
    assert 0.2 <= time.monotonic() - began < 5
    assert process.returncode == -signal.SIGKILL
    assert process.restarts == 0


async def test_stop_takes_grandchildren_along(nursery: Nursery) -> None:
    code = (
        "import subprocess,sys,time;"
        f"p=subprocess.Popen([sys.executable,'-c',{STUBBORN!r}]);print('pid',p.pid,flush=True);time.sleep(60)"
    )
    process = nursery.make(code)
    await process.start()
    await until(lambda: "pid" in process.log_tail() and "up" in process.log_tail())
    tail = process.log_tail().split()
    grandchild = int(tail[tail.index("pid") + 1])
    await process.stop(grace_seconds=0.2)
    await until(lambda: _is_gone(grandchild))


async def test_stop_between_two_starts(nursery: Nursery) -> None:
    process = nursery.make("raise SystemExit(1)", backoff=Backoff(first=60))
    await process.start()
    await until(lambda: nursery.events)
    await process.stop()
    assert await process.wait() == 1
    assert process.restarts == 0


async def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    process = ManagedProcess(ProcessSpec(name="child", argv=["/no/such/program"], log_path=tmp_path / "log"))
    with pytest.raises(ProcessError, match=r"child cannot be started.*no/such/program"):
        await process.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_keeps_none_of_roots_groups(tmp_path: Path) -> None:
    log = tmp_path / "log"
    spec = ProcessSpec(name="child", argv=["/usr/bin/id"], log_path=log, user="nobody", restart=False, cwd=Path("/"))
    process = ManagedProcess(spec)
    await process.start()
    assert await process.wait() == 0
    nobody = pwd.getpwnam("nobody")
    assert f"uid={nobody.pw_uid}(nobody) gid={nobody.pw_gid}" in process.log_tail()
    assert "root" not in process.log_tail()


async def test_another_stop_signal(nursery: Nursery) -> None:
    process = nursery.make(ENDLESS, stop_signal=signal.SIGINT)
    await process.start()
    await until(lambda: "up" in process.log_tail())
    await process.stop()
    assert "KeyboardInterrupt" in process.log_tail()


async def test_children_have_a_process_group_of_their_own(nursery: Nursery) -> None:
    process = nursery.make(ENDLESS)
    await process.start()
    assert process.pid is not None
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from inference.process import ManagedProcess, ProcessSpec
async def main():
    log = Path({str(tmp_path / "log")!r})
    spec = ProcessSpec(name="child", argv=[sys.executable, "-c", {ENDLESS!r}], log_path=log)
    process = ManagedProcess(spec)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert not _is_gone(child)
    finally:
        supervisor.kill()
        supervisor.communicate()
    await until(lambda: _is_gone(child))


def _is_gone(pid: int) -> bool:
    """Dead, or a zombie that nobody has collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
