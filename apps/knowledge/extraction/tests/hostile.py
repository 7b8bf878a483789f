"""Files that nobody should be able to do harm with, and what their owner has to be told of each."""

import io
import struct
import zipfile

import docx

from apps.knowledge.extraction.tests import corpus
from apps.knowledge.extraction.tests.compounds import compound

UNSUPPORTED, INVALID = "unsupported_file", "invalid_file"
LAUGHS = '<!DOCTYPE a [<!ENTITY b "haha">' + "".join(
    f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in zip("bcdefghi", "cdefghij", strict=True)
)
WORDS = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'


def document(body: str, *, before: str = "") -> bytes:
    return corpus.with_members(corpus.word(), {"word/document.xml": before + WORDS.format(body)})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def sheet(cells: str) -> bytes:
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    content = f'<worksheet xmlns="{name}"><sheetData>{cells}</sheetData></worksheet>'
    return corpus.with_members(corpus.sheets(), {"xl/worksheets/sheet1.xml": content})


def marked_as_encrypted(content: bytes) -> bytes:
    """Sets the bit in each entry of the archive's directory, and in each local header."""
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = content.split(mark)
        content = parts[0] + b"".join(
            mark + part[: offset - 4] + bytes([part[offset - 4] | 1]) + part[offset - 3 :] for part in parts[1:]
        )
    return content


def linked(content: bytes) -> bytes:
    held = io.BytesIO(content)
    with zipfile.ZipFile(held, "a") as archive:
        member = zipfile.ZipInfo("word/media/link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return held.getvalue()


def understated(content: bytes, name: str, size: int) -> bytes:
    """Says of one part that it is `size` bytes, in the archive's directory, whatever it grows to."""
    at = content.rindex(name.encode()) - 46
    return content[: at + 24] + struct.pack("<I", size) + content[at + 28 :]


def looped_pages() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )


ZIP = corpus.zipped({"readme.txt": "text"})
ODF = "application/vnd.oasis.opendocument."

FILES: dict[str, tuple[bytes, str, str]] = {
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), UNSUPPORTED, "image"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(99), UNSUPPORTED, "image"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(99), UNSUPPORTED, "image"),
    "wav": (b"RIFF\x10\0\0\0WAVEfmt " + bytes(99), UNSUPPORTED, "sound"),
    "mp3": (b"ID3\x04" + bytes(99), UNSUPPORTED, "sound"),
    "mp4": (b"\0\0\0\x18ftypmp42" + bytes(99), UNSUPPORTED, "film"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), UNSUPPORTED, "archive"),
    "tar": (b"name".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), UNSUPPORTED, "archive"),
    "zip": (ZIP, UNSUPPORTED, "archive"),
    "nested archives": (corpus.zipped({"a.zip": corpus.zipped({"b.zip": ZIP})}), UNSUPPORTED, "archive"),
    "empty zip": (corpus.zipped({}), UNSUPPORTED, "archive"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(99), UNSUPPORTED, "program"),
    "exe": (b"MZ\x90\x00" + bytes(99), UNSUPPORTED, "program"),
    "sqlite": (b"SQLite format 3\x00" + bytes(99), UNSUPPORTED, "database"),
    "bytes": (bytes(range(256)) * 8, UNSUPPORTED, "not text"),
    "rtf": (b"{\\rtf1 hello}", UNSUPPORTED, "DOCX or PDF"),
    "doc": (compound({"WordDocument": b"x", "Data": b"y"}), UNSUPPORTED, ".docx"),
    "ppt": (compound({"PowerPoint Document": b"x"}), UNSUPPORTED, ".pptx"),
    "msg": (compound({"__properties_version1.0": b"x"}), UNSUPPORTED, "Outlook"),
    "compound": (compound({"Something": b"x"}), UNSUPPORTED, "cannot be read"),
    "odt": (corpus.zipped({"mimetype": ODF + "text"}), UNSUPPORTED, "DOCX or PDF"),
    "epub": (corpus.zipped({"mimetype": "application/epub+zip"}), UNSUPPORTED, "PDF, HTML"),
    "xlsb": (corpus.with_members(corpus.sheets(), {"xl/workbook.bin": b"x"}), UNSUPPORTED, "XLSX"),
    "docm": (corpus.with_members(corpus.word(), {"word/vbaProject.bin": b"x"}), UNSUPPORTED, "macros"),
    "xlsm": (corpus.with_members(corpus.sheets(), {"xl/vbaProject.bin": b"x"}), UNSUPPORTED, "macros"),
    "xls with macros": (compound({"Workbook": b"x", "_VBA_PROJECT_CUR": b"y"}), UNSUPPORTED, "macros"),
    "nothing": (b"", INVALID, "empty"),
    "blanks": (b" \r\n\t \n", INVALID, "empty"),
    "byte-order mark": (b"\xef\xbb\xbf\n", INVALID, "empty"),
    "locked pdf": (corpus.pdf("secret", password="s3cret"), INVALID, "password"),
    "locked docx": (compound({"EncryptionInfo": b"x", "EncryptedPackage": b"y"}), INVALID, "password"),
    "locked zip": (marked_as_encrypted(corpus.word()), INVALID, "password"),
    "scanned pdf": (corpus.pdf("", ""), INVALID, "scanned"),
    "half a pdf": (b"%PDF-1.7\n" + b"nonsense " * 20, INVALID, "damaged"),
    "looped pdf": (looped_pages(), INVALID, ""),
    "half a docx": (corpus.word()[:9000], INVALID, "damaged"),
    "hollow docx": (corpus.with_members(corpus.word(), {"_rels/.rels": "<a/>"}), INVALID, "damaged"),
    "broken docx": (document("<w:p>"), INVALID, "damaged"),
    "docx without a word": (corpus.saved(docx.Document()), INVALID, "no text"),
    "docx with laughs": (document(paragraph("&j;"), before=LAUGHS + "]>"), INVALID, "entities"),
    "docx with a file": (
        document(paragraph("&x;"), before='<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        INVALID,
        "entities",
    ),
    "docx in depths": (document("<w:sdt>" * 5000 + "</w:sdt>" * 5000), INVALID, ""),
    "xlsx with laughs": (
        corpus.with_members(corpus.sheets(), {"xl/sharedStrings.xml": LAUGHS + "]><sst>&j;</sst>"}),
        INVALID,
        "entities",
    ),
    "xlsx that spans a world": (
        sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        INVALID,
        "cells",
    ),
    "broken xls": (compound({"Workbook": b"\x09\x08" * 99}), INVALID, ""),
    "ods that repeats": (corpus.open_sheets([["a"] * 200], repeat=1_000_000), INVALID, ""),
    "docx with a bomb": (
        corpus.with_members(corpus.word(), {"word/media/a.xml": bytes(64 * 1024 * 1024)}),
        INVALID,
        "times",
    ),
    "docx that lies": (
        understated(
            corpus.with_members(corpus.word(), {"word/document.xml": bytes(64 * 1024 * 1024)}), "word/document.xml", 99
        ),
        INVALID,
        "damaged",
    ),
    "docx of many parts": (
        corpus.with_members(corpus.word(), {f"word/{number}": "" for number in range(21_000)}),
        INVALID,
        "parts",
    ),
    "docx that climbs": (corpus.with_members(corpus.word(), {"../../etc/cron.d/x": "x"}), INVALID, "damaged"),
    "docx from the root": (corpus.with_members(corpus.word(), {"/etc/cron.d/x": "x"}), INVALID, "damaged"),
    "docx with a link": (linked(corpus.word()), INVALID, "damaged"),
    "html in depths": (b"<html>" + b"<div>" * 200_000 + b"x", INVALID, "nested"),
    "html that is hidden": (b"<html><script>x</script><p hidden>y</p>", INVALID, "no text"),
    "json in depths": (b"[" * 200_000 + b"]" * 200_000, INVALID, "nested"),
    "columns.csv": (b"a," * 10_000 + b"b", INVALID, "columns"),
}
