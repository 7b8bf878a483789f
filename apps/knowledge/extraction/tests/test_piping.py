"""A process that misbehaves on its pipes is cut off: it cannot flood, hang, or linger."""

import subprocess
import sys
import time

import pytest

from apps.knowledge.extraction.piping import Ended, exchanged


def ended(script: str, *, given: bytes = b"", seconds: float = 20, most: int = 1000) -> Ended:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-I", "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
    return exchanged(process, (given,), seconds=seconds, most=most)


def test_what_goes_in_comes_out():
    content = bytes(range(256)) * 10_000
    script = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(2560000))"
    result = ended(script, given=content, most=len(content))
    assert (result.answer, result.status, result.too_late, result.too_long) == (content, 0, False, False)


def test_a_flood_is_cut_off():
    result = ended("while True: print('x' * 10_000)", most=50_000)
    assert result.too_long
    assert len(result.answer) < 200_000
    assert result.status == -9


def test_a_flood_of_complaints_is_not_kept():
    result = ended("import sys; sys.stderr.write('x' * 10_000_000)")
    assert (len(result.complaint), result.status) == (4_000, 0)


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "import os, time; os.close(0); time.sleep(60)",
        "import sys, time; sys.stdin.buffer.read(); time.sleep(60)",
    ],
)
def test_what_says_nothing_is_ended(script):
    began = time.monotonic()
    result = ended(script, given=b"x" * 10_000_000, seconds=1)
    assert result.too_late
    assert result.status == -9
    assert time.monotonic() - began < 5


def test_what_lingers_after_its_answer_is_ended():
    began = time.monotonic()
    result = ended("import os, time; os.write(1, b'done'); os.close(1); os.close(2); time.sleep(60)")
    assert (result.answer, result.status) == (b"done", -9)
    assert time.monotonic() - began < 5
