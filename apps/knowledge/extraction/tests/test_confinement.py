"""What has been locked in opens no file, no socket and no process, by either guard alone and by both."""

import ast
import ctypes
import platform
import subprocess
import sys
import textwrap

import pytest

TRIES = """
import ctypes, os, resource, signal, socket, sys
from apps.knowledge.extraction import confinement
from apps.knowledge.extraction.contracts import Limits

def told(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno
    return 0

held = os.open("/dev/null", os.O_RDONLY)
library = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(library, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

CONTROL = {control}
TRIES = {{
    "read": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "list": lambda: os.listdir("/"),
    "write": lambda: os.open("/tmp/artemis-must-not-be", os.O_WRONLY | os.O_CREAT),
    "delete": lambda: os.unlink("/tmp/artemis-is-not-there"),
    "socket": lambda: socket.socket(),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "pair": lambda: socket.socketpair(),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "kill": lambda: os.kill(os.getppid(), 0),
    "pipe": lambda: os.pipe(),
    "limits": lambda: call("setrlimit", resource.RLIMIT_CORE, bytes(16)),
    "chmod": lambda: os.chmod("/tmp", 0o1777),
    "duplicate": lambda: os.dup(held),
}}
{confine}
results = {{name: told(attempt) for name, attempt in TRIES.items() if name in CONTROL}}
os.write(1, repr(results).encode())
os._exit(0)
"""
EVERYTHING = [
    *("read", "list", "write", "delete", "chmod", "socket", "unix", "pair", "pipe", "duplicate"),
    *("fork", "exec", "ptrace", "kill", "limits"),
]
BY_FILES = ["read", "list", "write", "exec"]
EPERM, EACCES = 1, 13

LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) > 0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's")


def tried(confine: str, control: list[str]) -> dict[str, int]:
    """The error number of each attempt in a process that was confined so; 0: it went through."""
    script = textwrap.dedent(TRIES).format(confine=confine, control=control)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    return ast.literal_eval(done.stdout.decode())


def test_without_confinement_files_and_sockets_can_be_opened():
    free = [name for name in EVERYTHING if name not in ("exec", "ptrace", "delete", "write")]
    assert set(tried("", free).values()) == {0}


def test_once_locked_in_nothing_is_let_through():
    refused = tried("assert 'seccomp' in confinement.lock()", EVERYTHING)
    assert set(refused.values()) == {EPERM}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the filter knows two architectures")
def test_the_filter_of_calls_is_enough_by_itself():
    confine = "assert confinement.forbid_calls()"
    assert set(tried(confine, EVERYTHING).values()) == {EPERM}


@pytest.mark.skipif(not LANDLOCK, reason="this kernel has no Landlock")
def test_landlock_keeps_files_shut_by_itself():
    confine = "assert confinement.forbid_files()"
    assert set(tried(confine, BY_FILES).values()) == {EACCES}


def test_the_limits_stand_before_a_document_is_taken_in():
    confine = """
confinement.bound(Limits(seconds=7, memory=1 << 30), parent=os.getppid())
told = lambda attempt: attempt()
TRIES = {name: lambda name=name: resource.getrlimit(getattr(resource, name)) for name in CONTROL}
"""
    limits = tried(confine, ["RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE"])
    assert limits == {
        "RLIMIT_AS": (1 << 30, 1 << 30),
        "RLIMIT_CPU": (7, 8),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0),
    }


def test_whose_parent_is_gone_ends_at_once():
    assert subprocess.run([sys.executable, "-c", GONE], capture_output=True, timeout=60, check=True).stdout == b""


GONE = """
import os
from apps.knowledge.extraction import confinement
from apps.knowledge.extraction.contracts import Limits
confinement.bound(Limits(), parent=1_000_000_000)
os.write(1, b"still here")
"""
