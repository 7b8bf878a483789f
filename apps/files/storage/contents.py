"""What is in files: named by account and SHA-256, and checked whenever it is read.

An account's prefix is its own: that somebody else keeps the same cannot be seen, by time or by room.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from typing import IO

from django.core.files.base import File
from django.core.files.storage import Storage, storages

from apps.common.errors import Unavailable
from apps.files.contracts import DamagedError

PIECE_BYTES = 2**20
AWAY = "The storage of files is away for the moment; try again shortly."
logger = logging.getLogger(__name__)


def put(*, account_id: int, sha256: str, file: IO[bytes]) -> None:
    """Stores what has this hash; storing it again changes nothing. Raises Unavailable."""
    with _away():
        _storage().save(name_of(account_id, sha256), File(file))


def pieces(*, account_id: int, sha256: str, size: int) -> Iterator[bytes]:
    """The last piece comes only when the whole is what was stored. Raises DamagedError or Unavailable."""
    name, digest, left = name_of(account_id, sha256), hashlib.sha256(), size
    with _opened(name) as file:
        while left > 0:
            with _away():
                piece = file.read(PIECE_BYTES)
            digest.update(piece)
            left -= len(piece)
            if not piece or left < 0 or (not left and digest.hexdigest() != sha256):
                logger.error("the content %s is not what was stored", name)
                raise DamagedError("The content of this file is damaged; it is logged.")
            yield piece


def remove(*, account_id: int, sha256: str) -> None:
    """Removing it again changes nothing. Raises Unavailable."""
    with _away():
        _storage().delete(name_of(account_id, sha256))


def name_of(account_id: int, sha256: str) -> str:
    return f"{account_id}/{sha256[:2]}/{sha256}"


def _storage() -> Storage:
    return storages["files"]


@contextlib.contextmanager
def _opened(name: str) -> "Iterator[File[bytes]]":
    try:
        with _away(but=FileNotFoundError):
            file = _storage().open(name)
    except FileNotFoundError:
        logger.error("there is no content %s in the storage: do all machines have the same one?", name)
        raise DamagedError("The content of this file is lost; it is logged.") from None
    with file:
        yield file


@contextlib.contextmanager
def _away(but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Whatever a storage's client raises: each has a family of its own."""
    try:
        yield
    except but:
        raise
    except Exception as error:
        logger.exception("the storage of files failed")
        raise Unavailable(AWAY, retry_after=10) from error
