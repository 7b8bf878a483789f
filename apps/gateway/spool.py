"""Settlements that Redis could not take, kept on disk until it can: one small file each, named by its request."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

OLD_SECONDS = 100


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
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name, too
        finally:
            os.close(folder)

    def waiting(self) -> list[Path]:
        """What waits, oldest first; delete a file once its settlement is taken."""
        found = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # another process has taken it meanwhile
                found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found)]

    def read(self, path: Path) -> list[Any] | None:
        """The settlement; None where another process has taken it. Raises ValueError for what is none."""
        try:
            arguments = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        if not isinstance(arguments, list):
            raise ValueError(f"{path} is no settlement")
        return arguments

    def unrecorded(self) -> list[tuple[Path, list[Any]]]:
        """What waits and is recorded nowhere yet, with its settlement; not what is none."""
        found = []
        for path in self.waiting():
            with contextlib.suppress(ValueError, OSError):
                if path.stat().st_mtime > 0 and (arguments := self.read(path)):
                    found.append((path, arguments))
        return found

    def is_old(self, path: Path) -> bool:
        """Whether Redis may have forgotten that it has settled it, or PostgreSQL may have it already."""
        try:
            return time.time() - path.stat().st_mtime > OLD_SECONDS
        except FileNotFoundError:
            return False

    def age(self, path: Path) -> None:
        """From now on it is old: recorded elsewhere."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (0, 0))
