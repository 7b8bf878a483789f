"""What a file is, by what is in it. Its name tells only kinds of text apart, and that not here."""

import re
from dataclasses import dataclass

from apps.knowledge.extraction.contracts import Limits
from apps.knowledge.extraction.refusals import ENCRYPTED, MACROS, READABLE, invalid, unsupported
from apps.knowledge.extraction.zipped import reader_of

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"),
    (b"8BPS", "an image"),
    (b"\x00\x00\x01\x00", "an image"),
    (b"ID3", "a sound recording"),
    (b"\xff\xfb", "a sound recording"),
    (b"\xff\xf3", "a sound recording"),
    (b"OggS", "a sound recording"),
    (b"fLaC", "a sound recording"),
    (b"MThd", "a sound recording"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"\x00\x00\x01\xba", "a film"),
    (b"\x1f\x8b", "an archive"),
    (b"BZh", "an archive"),
    (b"\xfd7zXZ\x00", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"Rar!\x1a\x07", "an archive"),
    (b"\x28\xb5\x2f\xfd", "an archive"),
    (b"MSCF", "an archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x00asm", "a program"),
    (b"dex\n", "a program"),
    (b"SQLite format 3\x00", "a database"),
    (b"PAR1", "a data file in the Parquet format"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
)
RIFF = {b"WEBP": "an image", b"WAVE": "a sound recording", b"AVI ": "a film"}
PDF_WITHIN = 1024
"""Bytes in which readers look for a PDF's mark."""
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
COMPOUNDS = {
    "EncryptedPackage": "",
    "Workbook": "",
    "Book": "",
    "WordDocument": "This is a Word document of before 2007. Save it as .docx or PDF.",
    "PowerPoint Document": "This is a presentation of before 2007. Save it as .pptx or PDF.",
    "__properties_version1.0": "This is an Outlook message. Save it as text or PDF.",
}
"""By the stream that is in it."""
HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Recognised:
    """`reader`: the module in formats."""

    media_type: str
    reader: str


def recognised(content: bytes, limits: Limits) -> Recognised:
    """Raises UnreadableError. Which kind of text a text is says its reader."""
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise invalid("The file is empty. Upload one with text in it.")
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return Recognised("application/zip", reader_of(content, limits))
    if content.startswith(COMPOUND):
        return _compound(content)
    if b"%PDF-" in content[:PDF_WITHIN]:
        return Recognised("application/pdf", "pdf")
    _refuse_others(content)
    if HTML.match(content[:8192].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lower()):
        return Recognised("text/html", "html")
    return Recognised("text/plain", "texts")


def _refuse_others(content: bytes) -> None:
    kind = next((kind for mark, kind in SIGNATURES if content.startswith(mark)), "")
    if content.startswith(b"RIFF"):
        kind = RIFF.get(content[8:12], "")
    if content[4:8] == b"ftyp":
        kind = "a film or an image"
    if content[257:262] == b"ustar":
        kind = "an archive"
    if kind == "a program" and content.startswith(b"MZ") and b"\x00" not in content[:1024]:
        kind = ""  # a text that begins with these letters
    if kind:
        raise unsupported(f"This is {kind}, which holds no text that can be read. {READABLE}")
    if content.startswith(b"{\\rtf"):
        raise unsupported(f"This is an RTF document. Save it as DOCX or PDF. {READABLE}")


def _compound(content: bytes) -> Recognised:
    """Microsoft's compound file: entries of its directory are 128 bytes each, and begin with a name in UTF-16."""
    found = {name: _entry(content, name) for name in COMPOUNDS}
    present = {name: place for name, place in found.items() if place >= 0}
    first = min(present, key=lambda name: present[name], default="")
    if first in ("Workbook", "Book"):
        if _entry(content, "_VBA_PROJECT_CUR") >= 0:
            raise unsupported(MACROS)
        return Recognised("application/vnd.ms-excel", "sheets")
    if first == "EncryptedPackage":
        raise invalid(ENCRYPTED)
    raise unsupported(f"{COMPOUNDS.get(first, 'This kind of file cannot be read.')} {READABLE}")


def _entry(content: bytes, name: str) -> int:
    wanted = name.encode("utf-16-le") + b"\x00\x00"
    place = content.find(wanted)
    while place >= 0 and place % 128:
        place = content.find(wanted, place + 1)
    return place
