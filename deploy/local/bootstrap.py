"""Builds the virtual environment from the lock files, once for each version of them. Needs nothing but Python 3.11."""

import hashlib
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCKS = {"runtime": ["requirements.lock", "requirements-local.lock"], "dev": ["requirements-dev.lock"]}
UV = ["uv==0.13.9"]


def main(kind: str) -> int:
    """`kind`: "runtime" or "dev"; what dev installs serves runtime, too."""
    if sys.version_info[:2] != (3, 11):
        print(
            f"Artemis needs Python 3.11; this is {sys.version.split()[0]}. Set PYTHON=/path/to/python3.11.",
            file=sys.stderr,
        )
        return 1
    if _is_current(kind):
        return 0
    began = time.monotonic()
    print(
        "Setting up: a virtual environment in .venv (only the first time, and when the lock file changes)",
        flush=True,
    )
    if not (VENV / "bin" / "pip").exists():  # what comes last
        venv.create(VENV, with_pip=True, clear=True)
    python = str(VENV / "bin" / "python")
    try:
        # Forced, since pip takes a uv for installed of which Ctrl-C left a half.
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--force-reinstall"]
        _step("installing uv", [*pip, *UV])
        command = [str(VENV / "bin" / "uv"), "pip", "install", "--python", python, "--compile-bytecode"]
        locks = [word for lock in _locks(kind) for word in ("-r", str(lock))]
        _step("installing packages", [*command, "--require-hashes", *locks])
    except subprocess.CalledProcessError as error:
        print(f"Setting up failed: {' '.join(error.cmd[:6])} … ended with {error.returncode}.", file=sys.stderr)
        return 1
    _marker(kind).write_text(_fingerprint(kind))
    print(f"Set up in {time.monotonic() - began:.0f} s.", flush=True)
    return 0


def _step(name: str, command: list[str]) -> None:
    print(f"  {name} …", flush=True)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            if not line.startswith((" + ", " - ", " ~ ")):  # the list of what was installed: a hundred lines
                print(f"    {line.strip()}", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _marker(kind: str) -> Path:
    return VENV / f"installed-{kind}"


def _locks(kind: str) -> list[Path]:
    return [ROOT / name for name in LOCKS[kind]]


def _fingerprint(kind: str) -> str:
    contents = b"".join(lock.read_bytes() for lock in _locks(kind))
    return hashlib.sha256(contents + sys.version.encode()).hexdigest()


def _is_current(kind: str) -> bool:
    if kind == "runtime" and _is_current("dev"):
        return True
    marker = _marker(kind)
    return marker.exists() and marker.read_text() == _fingerprint(kind)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit("Stopped; the next start goes on with it.")
