"""Which document an archive is, by the names of its parts; nothing is unpacked for it but one declaration."""

import io
import zipfile
import zlib

from apps.knowledge.extraction.contracts import Limits
from apps.knowledge.extraction.refusals import BROKEN, MACROS, READABLE, invalid, unsupported

CENTRAL_ENTRY = b"PK\x01\x02"
READERS = {"word/": "word", "ppt/": "slides", "xl/": "sheets"}
DECLARATION = "mimetype"
DECLARED = {
    "application/vnd.oasis.opendocument.text": "an OpenDocument text. Save it as DOCX or PDF.",
    "application/vnd.oasis.opendocument.presentation": "an OpenDocument presentation. Save it as PPTX or PDF.",
    "application/epub+zip": "an e-book (EPUB). Convert it to PDF, HTML or text.",
}
SHEETS = "application/vnd.oasis.opendocument.spreadsheet"
MACRO_PARTS = ("vbaproject.bin", "vbadata.xml")
BINARY_SHEETS = "xl/workbook.bin"


def reader_of(content: bytes, limits: Limits) -> str:
    """The module in formats. Raises UnreadableError."""
    if content.count(CENTRAL_ENTRY) > limits.members:
        raise invalid(f"The file is an archive of more than {limits.members:,} parts, which is too many to be read.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        names = archive.namelist()
        declared = _declared(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise invalid(BROKEN) from error
    if any(name.lower().rpartition("/")[2] in MACRO_PARTS for name in names) or "Basic/script-lc.xml" in names:
        raise unsupported(MACROS)
    if BINARY_SHEETS in names:
        raise unsupported(f"This is a binary workbook (.xlsb). Save it as XLSX. {READABLE}")
    if declared in DECLARED:
        raise unsupported(f"This is {DECLARED[declared]}")
    if declared == SHEETS:
        return "sheets"
    if "[Content_Types].xml" in names:
        for folder, reader in READERS.items():
            if any(name.startswith(folder) for name in names):
                return reader
    raise unsupported(f"This is an archive. Unpack it and upload the files in it one by one. {READABLE}")


def _declared(archive: zipfile.ZipFile) -> str:
    if DECLARATION not in archive.namelist():
        return ""
    with archive.open(DECLARATION) as member:
        return member.read(200).decode("ascii", errors="replace").strip()
