"""Contents in a folder. Several machines must have it in common, by a network file system."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

PRIVATE = 0o700


class Folder(FileSystemStorage):
    """A content appears whole or not at all, also where the same is stored twice at once or the power fails."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # the same name is the same content

    def _save(self, name: str, content: "File[Any]") -> str:
        path = Path(self.path(name))
        path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
                raise
        _sync(path.parent)
        return name


def _sync(folder: Path) -> None:
    """A name is only safe once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
