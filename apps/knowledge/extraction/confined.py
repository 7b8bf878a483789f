"""What the confined process does: bounds itself, recognises, imports the one reader, locks itself in, reads."""

import codecs
import importlib
import os
import sys
import traceback
from types import ModuleType
from typing import BinaryIO

from apps.knowledge.extraction import wire
from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.confinement import bound, lock
from apps.knowledge.extraction.contracts import UnreadableError
from apps.knowledge.extraction.decoding import is_utf8
from apps.knowledge.extraction.recognition import recognised
from apps.knowledge.extraction.refusals import READABLE

FORMATS = "apps.knowledge.extraction.formats"
CODECS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8-sig", "cp437", "cp1252", "latin-1", "ascii")
"""That libraries look up only when they want them, which is too late."""
TEXTS = ("text/html", "text/plain")
DAMAGED = f"The file is damaged, or not what its beginning says. Open it, save it anew and upload that. {READABLE}"
TOO_DEEP = "The file has things nested too deeply to be read. Save it in another format and upload that."


def answer_to(stream: BinaryIO) -> bytes:
    """Raises MemoryError where there is not even room for the answer."""
    asked = wire.head_of(stream.read(int.from_bytes(stream.read(wire.HEAD_LENGTH), "big")))
    bound(asked.limits, parent=asked.parent)
    return wire.answer(_answer(asked, stream))


def _answer(asked: wire.Asked, stream: BinaryIO) -> wire.Answer:
    try:
        return _read(asked, stream.read(asked.size))
    except UnreadableError as error:
        return wire.Refused(code=error.code, message=error.message)
    except MemoryError:
        raise
    except RecursionError:
        return wire.Refused(code="invalid_file", message=TOO_DEEP)
    except (ImportError, OSError) as error:
        return wire.Failed(trace=_trace(error))
    except BaseException as error:  # what Rust panics with is no Exception
        if type(error) is LookupError:  # an encoding, as ImportError a module: ours to bring, no document's fault
            return wire.Failed(trace=_trace(error))
        return wire.Refused(code="invalid_file", message=DAMAGED, trace=_trace(error))


def _read(asked: wire.Asked, content: bytes) -> wire.Read:
    found = recognised(content, asked.limits)
    reader = importlib.import_module(f"{FORMATS}.{found.reader}")
    guessing: ModuleType | None = None
    if found.media_type in TEXTS and not is_utf8(content):
        guessing = importlib.import_module("apps.knowledge.extraction.guessing")
    for codec in CODECS:
        codecs.lookup(codec)
    _silence()
    guards = lock()
    out = Collector(asked.limits)
    guess = guessing.guessed(content) if guessing else ""
    media_type, pages = reader.read(content, filename=asked.filename, guess=guess, out=out)
    if not out.blocks:
        raise UnreadableError("invalid_file", "There is no text in the file. Upload one with text in it.")
    return wire.Read(media_type=media_type, blocks=tuple(out.blocks), pages=pages, guards=guards)


def _silence() -> None:
    """Libraries complain on the standard error with words of the document, which must not get into a log."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _trace(error: BaseException) -> str:
    """Where it was raised, without its message, which may quote the document."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)][-6:]
    places = " < ".join(f"{name.rpartition('/')[2]}:{line}" for name, line in reversed(frames))
    return f"{type(error).__name__} at {places}"


sys.setrecursionlimit(2_000)
