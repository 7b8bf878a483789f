"""Knows size and hash of a content before it is stored."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

IN_MEMORY = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    file: IO[bytes]
    size: int
    sha256: str


@contextlib.contextmanager
def measured(content: Iterable[bytes]) -> Iterator[Measured]:
    """On this machine's disk, until the block is left."""
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        for part in content:
            file.write(part)
            digest.update(part)
            size += len(part)
        file.seek(0)
        yield Measured(file, size, digest.hexdigest())
