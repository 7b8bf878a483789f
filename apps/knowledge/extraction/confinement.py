"""Shuts the process that reads a document in: bounds first, then no file, no socket, no other process.

Landlock: the kernel's userspace-api/landlock. seccomp: seccomp(2)."""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

from apps.knowledge.extraction.contracts import Limits
from apps.knowledge.extraction.syscalls import MACHINES, program

SET_PDEATHSIG, SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
"""The same on every architecture."""
GUARDS = ("landlock", "seccomp")


def bound(limits: Limits, *, parent: int) -> None:
    """Before the document is taken in. The kernel kills what outlives the thread that started it; that thread waits for
    this process's answer, so it goes only together with the process that asked."""
    if sys.platform == "linux":
        _control(SET_PDEATHSIG, signal.SIGKILL)
        _control(SET_DUMPABLE, 0)
        if os.getppid() != parent:  # it went before the first line
            os._exit(0)
        _lower(resource.RLIMIT_AS, limits.memory)
    _lower(resource.RLIMIT_CPU, limits.seconds, spare=1)  # at the soft limit comes a signal that says why
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def lock() -> tuple[str, ...]:
    """For good, once everything is imported. Returns which of GUARDS this kernel has."""
    on: list[str] = []
    if sys.platform == "linux":
        _lower(resource.RLIMIT_NPROC, 0)
        if forbid_files():
            on.append("landlock")
    _lower(resource.RLIMIT_NOFILE, 0)
    if sys.platform == "linux" and forbid_calls():
        on.append("seccomp")
    return tuple(on)


def forbid_files() -> bool:
    """A set of Landlock's rules without a rule in it allows nothing of what it handles."""
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    handled = [(1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1]
    if version >= 4:
        handled.append(0b11)  # TCP: to bind, to connect
    if version >= 6:
        handled.append(0b11)  # abstract sockets, and signals, of others
    rules = struct.pack(f"={len(handled)}Q", *handled)
    held = library.syscall(LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0))
    if held < 0:
        return False
    _control(SET_NO_NEW_PRIVS, 1)  # without it, neither guard is for the unprivileged
    failed = int(library.syscall(LANDLOCK_RESTRICT_SELF, ctypes.c_int(held), ctypes.c_uint32(0)))
    os.close(held)
    return not failed


def forbid_calls() -> bool:
    """Every call that is not on the list answers EPERM."""
    machine = platform.machine() if sys.maxsize > 2**32 else ""
    if machine not in MACHINES:
        return False
    steps = program(machine, process=os.getpid())
    held = ctypes.create_string_buffer(steps, len(steps))
    described = struct.pack("@HP", len(steps) // 8, ctypes.addressof(held))
    _control(SET_NO_NEW_PRIVS, 1)
    try:
        _control(SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(described))
    except OSError:
        return False
    return True


def _control(option: int, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    given += [ctypes.c_ulong(0)] * (4 - len(given))
    if library.prctl(ctypes.c_int(option), *given) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _lower(what: int, to: int, *, spare: int = 0) -> None:
    hard = resource.getrlimit(what)[1]
    most = to + spare if hard == resource.RLIM_INFINITY else min(to + spare, hard)
    resource.setrlimit(what, (min(to, most), most))
