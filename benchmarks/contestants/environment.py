"""Environments of the contestants' own, under .artemis/benchmarks: built once for each version of a lock file."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contestants.contestant import AbsentError
from benchmarks.processes import ROOT

LOCKS = Path(__file__).parent
ENVIRONMENTS = ROOT / ".artemis" / "benchmarks"


def python_environment(name: str) -> Path:
    folder, lock = ENVIRONMENTS / name, LOCKS / f"{name}.lock"
    if not _is_current(folder, lock):
        uv, python = str(Path(sys.executable).parent / "uv"), str(folder / "bin" / "python")
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, "--require-hashes"]
        _build(name, [uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)])
        _build(name, [*install, "-r", str(lock)])
        _mark(folder, lock)
    return folder


def node_environment(name: str) -> Path:
    folder, lock = ENVIRONMENTS / name, LOCKS / name / "package-lock.json"
    if not _is_current(folder, lock):
        npm = shutil.which("npm")
        if npm is None:
            raise AbsentError("npm is not installed")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(lock.parent, folder)
        _build(name, [npm, "ci", "--prefix", str(folder)])
        _mark(folder, lock)
    return folder


def _build(name: str, command: list[str]) -> None:
    print(f"  {name}: {' '.join(command[:3])} …", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AbsentError(f"{name} could not be installed: {done.stdout.strip()[-500:]}")


def _is_current(folder: Path, lock: Path) -> bool:
    marker = folder / "installed"
    return marker.exists() and marker.read_text() == lock.read_text()


def _mark(folder: Path, lock: Path) -> None:
    (folder / "installed").write_text(lock.read_text())
