"""Reads a document in a confined process of its own, and says whose fault it is when that does not come to an end."""

import functools
import logging
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec

from apps.knowledge.extraction import wire
from apps.knowledge.extraction.child import OUT_OF_MEMORY
from apps.knowledge.extraction.confinement import GUARDS
from apps.knowledge.extraction.contracts import MEBIBYTE, Document, Limits, ReaderFailedError, UnreadableError
from apps.knowledge.extraction.languages import language_of
from apps.knowledge.extraction.piping import Ended, exchanged

logger = logging.getLogger(__name__)

DEFAULTS = Limits()
CHILD = Path(__file__).with_name("child.py")
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
"""What a parser dies of by itself."""
STARVED = 0.5
"""A reader that was given less than this share of its time by the processor was not slow: the machine was busy."""


def extract(content: bytes, *, filename: str, limits: Limits = DEFAULTS) -> Document:
    """Blocks the calling thread until the document is read, at most `limits.seconds`. Raises UnreadableError and
    ReaderFailedError."""
    asked = wire.Asked(filename=_name(filename), limits=limits, parent=os.getpid(), size=len(content))
    try:
        process = _started()
    except OSError as error:
        raise ReaderFailedError(f"The reader of documents cannot be started: {error.strerror}.") from error
    ended = exchanged(process, (wire.head(asked), content), seconds=limits.seconds, most=wire.most(limits))
    _blame(ended, limits)
    answer = _answer(ended)
    _tell_of_guards(answer.guards)
    language = language_of(answer.blocks)
    return Document(media_type=answer.media_type, blocks=answer.blocks, pages=answer.pages, language=language)


def _name(filename: str) -> str:
    """Its end, where an extension is; it may have come with anything in it."""
    return filename[-255:].encode("utf-8", errors="replace").decode()


def _started() -> subprocess.Popen[bytes]:
    """Without the environment, so without the platform's secrets. In a session of its own: Ctrl-C is ours to hear."""
    paths = sysconfig.get_paths()
    folders = dict.fromkeys((paths["purelib"], paths["platlib"], str(Path(msgspec.__file__).parents[1])))
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(CHILD), *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={},
        bufsize=0,
        start_new_session=True,
    )


def _blame(ended: Ended, limits: Limits) -> None:
    """Returns where the reader came to its end by itself."""
    too_slow = f"Reading the file took longer than {limits.seconds} seconds. Split it into smaller files."
    too_large = (
        f"Reading the file takes more memory than {limits.memory // MEBIBYTE:,} MiB. Split it into smaller files."
    )
    if ended.too_long:
        raise UnreadableError("invalid_file", "There is more text in the file than can be taken. Split it.")
    if ended.too_late and ended.busy < STARVED * limits.seconds:
        raise ReaderFailedError("The machine was too busy to read the document in time.")
    if ended.too_late or ended.status == -signal.SIGXCPU:
        raise UnreadableError("invalid_file", too_slow)
    if ended.status == OUT_OF_MEMORY:
        raise UnreadableError("invalid_file", too_large)
    if -ended.status in CRASHES:
        logger.warning("a document crashed its reader: %s", signal.Signals(-ended.status).name)
        raise UnreadableError("invalid_file", f"The file is damaged, or: {too_large[0].lower()}{too_large[1:]}")
    if ended.status != 0:
        logger.error("the reader of documents ended with %d: %s", ended.status, ended.complaint)
        raise ReaderFailedError(f"The reader of documents ended with {ended.status}.")


def _answer(ended: Ended) -> wire.Read:
    try:
        answer = wire.answer_of(ended.answer)
    except msgspec.MsgspecError as error:
        raise ReaderFailedError("The reader of documents gave no answer that can be understood.") from error
    if isinstance(answer, wire.Failed):
        logger.error("the reader of documents failed: %s", answer.trace)
        raise ReaderFailedError("The reader of documents failed.")
    if isinstance(answer, wire.Refused):
        if answer.trace:
            logger.warning("a document could not be read: %s", answer.trace)
        raise UnreadableError(answer.code, answer.message)
    return answer


@functools.cache
def _tell_of_guards(guards: tuple[str, ...]) -> None:
    """Once in a process."""
    missing = [name for name in GUARDS if name not in guards]
    if missing:
        logger.warning("documents are read without %s, which this system does not have", " and ".join(missing))
