"""Whose fault it is when a reader ends, and that none is left behind, whoever dies first."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps.knowledge.extraction import Limits, ReaderFailedError, UnreadableError, extract
from apps.knowledge.extraction import reading as reading_module
from apps.knowledge.extraction.piping import Ended
from apps.knowledge.extraction.tests.test_limits import SLOW

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


def readers(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent and b"child.py" in command:
            found.append(int(folder.name))
    return found


def awaited(found, *, within: float = 10.0):
    until = time.monotonic() + within
    while not (result := found()) and time.monotonic() < until:
        time.sleep(0.01)
    return result


def reading(outcome: list[BaseException]) -> threading.Thread:
    def read() -> None:
        try:
            extract(SLOW, filename="x")
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGKILL, ReaderFailedError), (signal.SIGTERM, ReaderFailedError), (signal.SIGSEGV, UnreadableError)],
)
def test_a_killed_reader_may_be_tried_again_and_a_crashed_one_not(number, expected):
    outcome: list[BaseException] = []
    thread = reading(outcome)
    [reader] = awaited(lambda: readers(os.getpid()))
    os.kill(reader, number)
    thread.join(10)
    assert isinstance(outcome[0], expected)
    assert not readers(os.getpid())


def test_a_reader_that_got_no_time_may_be_tried_again():
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            extract(SLOW, filename="x", limits=Limits(seconds=3))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    [reader] = awaited(lambda: readers(os.getpid()))
    os.kill(reader, signal.SIGSTOP)
    thread.join(10)
    assert isinstance(outcome[0], ReaderFailedError)
    assert not Path(f"/proc/{reader}").exists()


def test_a_reader_dies_with_the_process_that_asked():
    script = """
        from apps.knowledge.extraction import extract
        from apps.knowledge.extraction.tests.test_limits import SLOW
        import threading
        threading.Thread(target=extract, args=(SLOW,), kwargs={"filename": "x"}).start()
    """
    asking = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    [reader] = awaited(lambda: readers(asking.pid))
    awaited(lambda: b"Seccomp:\t2" in Path(f"/proc/{reader}/status").read_bytes())
    asking.kill()
    asking.wait()
    assert awaited(lambda: not Path(f"/proc/{reader}").exists() or _is_over(reader), within=5)


def _is_over(process: int) -> bool:
    return b"State:\tZ" in Path(f"/proc/{process}/status").read_bytes()


def test_many_threads_read_at_once_and_leave_nothing_open():
    def read(number: int) -> str:
        return extract(f"The number is {number}.".encode(), filename="x").blocks[0].text

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(read, range(24)))
    assert texts == [f"The number is {number}." for number in range(24)]
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    assert not readers(os.getpid())


def test_a_reader_knows_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("ARTEMIS_SECRET", "s3cret")
    outcome: list[BaseException] = []
    thread = reading(outcome)
    [reader] = awaited(lambda: readers(os.getpid()))
    environment = awaited(lambda: (Path(f"/proc/{reader}/environ").read_bytes(), True))
    os.kill(reader, signal.SIGKILL)
    thread.join(10)
    assert environment == (b"", True)


def test_a_reader_that_cannot_be_started_may_be_tried_again(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ReaderFailedError):
        extract(b"text", filename="x")


def test_guards_that_a_system_lacks_are_told_of_once(caplog):
    reading_module._tell_of_guards.cache_clear()
    for _ in range(3):
        reading_module._tell_of_guards(("landlock",))
    reading_module._tell_of_guards.cache_clear()
    assert [record.message for record in caplog.records] == [
        "documents are read without seccomp, which this system does not have"
    ]


def test_an_answer_that_makes_no_sense_may_be_tried_again():
    for answer in (b"", b"nonsense", b"\x81\xa4type\xa4Read"):
        with pytest.raises(ReaderFailedError):
            reading_module._answer(Ended(answer=bytearray(answer)))
