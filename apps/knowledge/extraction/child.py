"""The confined process: takes a document on its standard input, says on its standard output what is in it.

Runs as a script, without site-packages on its path and without the environment: `python -I -S child.py FOLDER...`,
the folders being where packages are installed."""

import importlib
import os
import sys
import types
from pathlib import Path

PACKAGE = "apps.knowledge.extraction"
OUT_OF_MEMORY = 70
"""The exit status of a reader that could not even say so."""


def main() -> None:
    _find_packages(sys.argv[1:])
    reader = importlib.import_module(f"{PACKAGE}.confined")
    try:
        answer = reader.answer_to(sys.stdin.buffer)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    while answer:
        answer = answer[os.write(1, answer) :]
    os._exit(0)  # nothing is worth tidying up


def _find_packages(folders: list[str]) -> None:
    """Our own package's face imports what only the parent needs; so it is stood in for by an empty one."""
    sys.path += folders
    for name in ("apps", "apps.knowledge", PACKAGE):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    sys.modules[PACKAGE].__path__ = [str(Path(__file__).parent)]


if __name__ == "__main__":
    main()
