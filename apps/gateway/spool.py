"""Settlements that Redis could not take, kept on disk until it can: one small file each, named by its request."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Spool:
    """Shared by all gateway processes of a machine. A settlement replayed by two of them counts once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, request_id: str, arguments: list[Any]) -> None:
        """Returns once the settlement is on the disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{request_id}.part"
        with unfinished.open("w") as file:
            json.dump(arguments, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._folder / f"{request_id}.json")

    def pending(self) -> Iterator[tuple[Path, list[Any]]]:
        """What waits, oldest first; delete a file once its settlement is taken."""
        if not self._folder.exists():
            return
        waiting = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # another process has taken it meanwhile
                waiting.append((path.stat().st_mtime, path))
        for _, path in sorted(waiting):
            with contextlib.suppress(FileNotFoundError):
                yield path, json.loads(path.read_text())
