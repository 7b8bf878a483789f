"""The calls that a confined reader needs, and the filter for the kernel that answers EPERM to all others.

Reading from memory and writing an answer takes no name of a file, no socket and no other process.
Sources: seccomp(2), linux/filter.h and linux/audit.h; the numbers are those of asm/unistd.h."""

import struct

CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
    "tgkill": (234, 131),
}
"""Their numbers on x86_64 and on aarch64."""
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH_*, and the place in a row of CALLS."""

LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
"""BPF_LD | BPF_W | BPF_ABS; BPF_JMP | BPF_JEQ | BPF_K; BPF_RET | BPF_K."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050001
"""SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM."""
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in struct seccomp_data; of the argument, its lower half."""


def program(machine: str, *, process: int) -> bytes:
    """Of `process` only may be killed what calls itself: abort() is how C and Rust say that memory is out."""
    architecture, place = MACHINES[machine]
    plain = [numbers[place] for name, numbers in CALLS.items() if name != "tgkill"]
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUALS, 1, 0, architecture),
        (RETURN, 0, 0, REFUSE),
        (LOAD, 0, 0, NUMBER),
        (EQUALS, 0, 3, CALLS["tgkill"][place]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUALS, len(plain) + 2, 0, process),
        (RETURN, 0, 0, REFUSE),
        *((EQUALS, len(plain) - at, 0, number) for at, number in enumerate(plain)),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
