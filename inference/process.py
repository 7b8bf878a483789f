"""A supervised child process: own session, logged to a file, restarted after a crash, stopped for certain."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Probe = Callable[[], Awaitable[bool]]
Report = Callable[[str, str], None]

PROBE_INTERVAL_SECONDS = 0.1
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 16_384
PR_SET_PDEATHSIG = 1

# Loaded before any fork: nothing may be imported or allocated for long between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessError(Exception):
    """The child ended, or did not become ready in time. The message ends with its last lines."""


@dataclass(frozen=True)
class Backoff:
    """Seconds between restarts: doubling from `first` to `longest`; `first` again after `healthy` alive."""

    first: float = 0.5
    longest: float = 30.0
    healthy: float = 60.0


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to look after it. `env` is the child's whole environment; None inherits ours."""

    name: str
    argv: Sequence[str]
    log_path: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    user: str | int | None = None
    """Drop to this user (needs root); PostgreSQL, for one, refuses to run as root."""
    ready: Probe | None = None
    ready_timeout: float = 60.0
    alive: Probe | None = None
    """Asked every `alive_seconds` once it was ready; a child of which it says no `alive_failures` times running is
    killed, and started again."""
    alive_seconds: float = 10.0
    alive_failures: int = 1
    restart: bool = True
    backoff: Backoff = field(default_factory=Backoff)
    stop_signal: signal.Signals = signal.SIGTERM
    signal_group: bool = True
    """False sends the stop signal to the child alone: for servers that drain and stop their own workers."""


class ManagedProcess:
    """One child and its restarts. The event loop's thread must outlive the child (see `tie_to_parent`)."""

    def __init__(self, spec: ProcessSpec, *, report: Report | None = None) -> None:
        self.spec = spec
        self.restarts = 0
        self._report = report or (lambda name, event: None)
        self._child: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = False
        self._was_ready = spec.ready is None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The child's pid while it runs."""
        return self._child.pid if self.is_running and self._child else None

    @property
    def returncode(self) -> int | None:
        return self._child.returncode if self._child else None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        """Start the child and its supervision; returns at once (see `wait_ready`)."""
        self._stopping = False
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise(), name=f"supervise {self.spec.name}")

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Wait for the probe. A child that ends before it was ever ready is reported, not restarted."""
        limit = self.spec.ready_timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while True:
            if not self.is_running:
                raise ProcessError(f"{self.spec.name} ended with {self._ending()}\n{self.log_tail()}")
            if await self._probe(deadline):
                self._was_ready = True
                return
            if time.monotonic() >= deadline:
                raise ProcessError(f"{self.spec.name} was not ready within {limit:.0f} s\n{self.log_tail()}")
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Ask, wait, then kill; leaves no member of the child's process group behind."""
        self._stopping = True
        if self._supervisor is not None:  # first, so that nothing is started again meanwhile
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        child = self._child
        if child is None:
            return
        if child.returncode is None:
            self._send(self.spec.stop_signal, group=self.spec.signal_group)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(child.wait()), grace_seconds)
        self._send(signal.SIGKILL, group=True)
        await child.wait()

    async def wait(self) -> int:
        """Wait until the child has ended and will not be started again; its exit status."""
        if self._supervisor is None or self._child is None:
            raise ProcessError(f"{self.spec.name} was never started")
        await asyncio.wait({self._supervisor})
        return await self._child.wait()

    def log_tail(self) -> str:
        """The last lines that this run of the child wrote."""
        with contextlib.suppress(FileNotFoundError), self.spec.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
            return "\n".join(lines[-LOG_TAIL_LINES:])
        return ""

    async def _spawn(self) -> None:
        spec = self.spec
        spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        # The child writes to the file itself: no pipe that could fill up, nothing lost when we die.
        with spec.log_path.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *spec.argv,
                    env=None if spec.env is None else dict(spec.env),
                    cwd=spec.cwd,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=tie_to_parent(spec.stop_signal),
                    **_identity(spec.user),
                )
            except OSError as error:
                raise ProcessError(f"{spec.name} cannot be started: {error}") from error

    async def _supervise(self) -> None:
        delay = self.spec.backoff.first
        while True:
            began = time.monotonic()
            if self._child is None:
                return
            await self._end_of(self._child)
            if self._stopping or not self._was_ready or not self.spec.restart:
                return
            self._send(signal.SIGKILL, group=True)  # workers of a dead master would still hold its port
            if time.monotonic() - began >= self.spec.backoff.healthy:
                delay = self.spec.backoff.first
            self._report(self.spec.name, f"ended with {self._ending()}; starting again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, self.spec.backoff.longest)
            self.restarts += 1
            try:
                await self._spawn()
            except ProcessError as error:
                self._report(self.spec.name, str(error))

    async def _end_of(self, child: asyncio.subprocess.Process) -> None:
        """Which it may meet by our hand, where it lives and does nothing."""
        end = asyncio.ensure_future(child.wait())
        failures = 0
        while self.spec.alive is not None:
            done, _ = await asyncio.wait({end}, timeout=self.spec.alive_seconds)
            if done:
                break
            failures = failures + 1 if self._was_ready and not await self.spec.alive() else 0
            if failures == self.spec.alive_failures:
                self._report(self.spec.name, "lives and makes no progress; it is killed")
                self._send(signal.SIGKILL, group=True)
        await end

    async def _probe(self, deadline: float) -> bool:
        if self.spec.ready is None:
            return True
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            return await asyncio.wait_for(self.spec.ready(), max(0.1, deadline - time.monotonic()))
        return False

    def _send(self, number: signal.Signals, *, group: bool) -> None:
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self._child.pid, number)

    def _ending(self) -> str:
        code = self.returncode
        if code is None or code >= 0:
            return f"exit status {code}"
        return signal.Signals(-code).name


def _identity(user: str | int | None) -> dict[str, Any]:
    """Arguments that drop root's groups together with root: a changed user id alone would keep them."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Ask Linux to signal the child when the thread that forked it dies: kill -9 on us leaves no orphans.

    The stop signal rather than SIGKILL: a server must still be able to take its own workers along.
    """
    parent = os.getpid()

    def tie() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs us behind `&` has it ignored: exec inherits
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def tie_from_main_thread(death_signal: signal.Signals) -> Callable[[], None] | None:
    """The same for what any thread may start; from one that passes, nothing: the child would end with it."""
    return tie_to_parent(death_signal) if threading.current_thread() is threading.main_thread() else None
