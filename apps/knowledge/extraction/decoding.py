"""Makes text of bytes whose encoding nobody states."""

import codecs
import re

from apps.knowledge.extraction.refusals import unsupported

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SAMPLE = 64 * 1024
MOST_CONTROLS = 0.05
CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
SEQUENCES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
NOT_TEXT = "This is not text, nor a document of a kind that can be read. "


def is_utf8(content: bytes) -> bool:
    """Whether it takes no guess."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def decoded(content: bytes, *, guess: str = "") -> str:
    """`guess`: the encoding to take where neither a mark nor the bytes say it. Raises UnreadableError for what is no
    text."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return _checked(content[len(mark) :].decode(encoding, errors="replace"))
    if is_utf8(content):
        return _checked(content.decode())
    encoding = _wide(content[:SAMPLE]) or guess
    if encoding and not _mostly_utf8(content):
        return _checked(content.decode(encoding, errors="replace"))
    return _checked(content.decode("utf-8", errors=MIXED))


def _checked(text: str) -> str:
    sample = text[:SAMPLE]
    if len(CONTROLS.findall(sample)) + sample.count("\ufffd") > len(sample) * MOST_CONTROLS:
        raise unsupported(NOT_TEXT + "If it is text, save it as UTF-8.")
    return text


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: most of every second byte is nought."""
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > half * 0.4 and sample[0::2].count(0) < half * 0.1:
        return "utf-16-le"
    if sample[0::2].count(0) > half * 0.4 and sample[1::2].count(0) < half * 0.1:
        return "utf-16-be"
    return ""


def _mostly_utf8(content: bytes) -> bool:
    """Files that were put together from several: UTF-8 but for a few bytes."""
    beyond = len(BEYOND_ASCII.findall(content))
    in_sequences = sum(len(found) for found in SEQUENCES.findall(content))
    return in_sequences >= 0.6 * beyond


def _as_western(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    stray = error.object[error.start : error.end]
    return stray.decode("cp1252", errors="replace"), error.end


MIXED = "artemis-mixed"
codecs.register_error(MIXED, _as_western)
