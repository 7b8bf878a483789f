"""Makes any text one that can be stored, searched and shown, and loses no word of it."""

import re
import unicodedata

BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
UNSEEN = re.compile("[\x00\u00ad\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]")
"""NUL, soft hyphens, marks of direction, byte-order marks: nothing stands where they stood."""
CONTROLS = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
SURROGATES = re.compile("[\ud800-\udfff]")
EMPTY_LINES = re.compile(r"\n{3,}")


def normalised(text: str) -> str:
    """NFC, lines that end in a line feed, no control characters; not stripped at its beginning, for code's sake."""
    if not text.isascii():
        text = SURROGATES.sub("\ufffd", text)
        text = UNSEEN.sub("", text)
    text = BREAKS.sub("\n", text.replace("\x00", ""))
    text = CONTROLS.sub(" ", text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))  # a pattern would take the square of a long blank
    text = EMPTY_LINES.sub("\n\n", text).strip("\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def on_one_line(text: str) -> str:
    return " ".join(text.split())
