"""Renews the lock files of the engines' environments: `python -m inference lock [NAME ...]`."""

import subprocess
from pathlib import Path

from inference.environments.install import find_uv

FOLDER = Path(__file__).parent

HEADER = """\
# Every file of this environment, with its hashes. Made from {name}.in: python -m inference lock
# Install with --no-deps --require-hashes. No registry is named, on purpose.
"""
TORCH_APART = """\
# torch is NOT in this file: a machine may offer a CPU build of it (2.13.0+cpu) whose hash is not that of
# the registry's CUDA build; with one of the two hashes here, the other would be refused, or 3 GB loaded for
# nothing. The installer adds torch by exact version, through pip, last (see install.py).
"""
OVERRIDES = {
    "llamacpp": "data-only.overrides",
    "embeddings": "data-only.overrides",
    "sentence-transformers": "torch-apart.overrides",
    "vllm-cpu": "torch-apart.overrides",
    "vllm-cuda": None,
}


def relock(name: str) -> Path:
    """Resolve `<name>.in` anew and write `<name>.lock`."""
    overrides = OVERRIDES[name]
    lock = FOLDER / f"{name}.lock"
    arguments = [
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--upgrade",
    ]
    arguments += ["--python-version", "3.11", "--no-emit-index-url", "--no-emit-find-links"]
    if overrides:
        arguments += ["--override", str(FOLDER / overrides)]
    done = subprocess.run(
        [str(find_uv(required=True)), *arguments, str(FOLDER / f"{name}.in")],
        check=True,
        cwd=FOLDER,  # inside the repository, so that its rule for the age of releases holds
        stdout=subprocess.PIPE,
        text=True,
    )
    header = HEADER.format(name=name) + (TORCH_APART if overrides == "torch-apart.overrides" else "")
    lock.write_text(header + done.stdout)
    return lock
