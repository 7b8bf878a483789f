"""Which of the older encodings a text is in; its module takes all codecs in, since a confined reader can load none."""

import codecs
import contextlib
import re

from charset_normalizer import from_bytes
from charset_normalizer.constant import IANA_SUPPORTED

from apps.knowledge.extraction.decoding import SAMPLE

DECLARED = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,30})""", re.IGNORECASE)

for _name in (*IANA_SUPPORTED, "cp1252", "latin_1"):
    with contextlib.suppress(LookupError):
        codecs.lookup(_name)


def guessed(content: bytes) -> str:
    """What an HTML page declares of itself, or the most probable; western European where nothing is."""
    declared = DECLARED.search(content[:4096])
    if declared:
        name = declared[1].decode("ascii").lower().replace("-", "_")
        with contextlib.suppress(LookupError):
            known = codecs.lookup(name).name.replace("-", "_")
            if known in IANA_SUPPORTED:
                return known
    best = from_bytes(content[:SAMPLE]).best()
    return best.encoding if best is not None else "cp1252"
