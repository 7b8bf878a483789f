"""A document that takes more than its limits is its owner's to split, and the reader is gone in time."""

import time
import zlib

import pytest

from apps.knowledge.extraction import Limits, UnreadableError, extract
from apps.knowledge.extraction.contracts import MEBIBYTE, ReaderFailedError
from apps.knowledge.extraction.tests import corpus

SLOW = b"<html>" + (b"<div>" * 9_999 + b"</div>" * 9_999) * 40 + b"x"
"""Within the bounds of nesting, and the parser's time is the square of it."""


def packed_pdf(content: bytes, times: int) -> bytes:
    """A page whose text was compressed again and again: of gigabytes a few kilobytes are left."""
    for _ in range(times):
        content = zlib.compress(content, 9)
    return b"".join(
        [
            b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
            b"2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n",
            b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R",
            b"/Resources<</Font<</F 5 0 R>>>>>>endobj\n5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n",
            b"4 0 obj<</Length %d/Filter[%s]>>stream\n" % (len(content), b"/FlateDecode" * times),
            content,
            b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        ]
    )


def refused(content: bytes, limits: Limits, *, filename: str = "x", tries: int = 10) -> str:
    began = time.monotonic()
    with pytest.raises((UnreadableError, ReaderFailedError)) as error:
        extract(content, filename=filename, limits=limits)
    assert time.monotonic() - began < limits.seconds + 2
    if tries > 1 and "too busy" in str(error.value):  # not the document's fault: it is tried again, as a worker does
        return refused(content, limits, filename=filename, tries=tries - 1)
    assert isinstance(error.value, UnreadableError)
    assert error.value.code == "invalid_file"
    return error.value.message


def test_time_is_bounded():
    assert "longer than 1 seconds" in refused(SLOW, Limits(seconds=1))


def test_memory_is_bounded():
    assert "more memory than 256 MiB" in refused(b"word " * 12 * MEBIBYTE, Limits(memory=256 * MEBIBYTE, text=2**30))


def test_a_pdf_that_was_packed_twice_is_bounded():
    content = packed_pdf(b" " * 600 * MEBIBYTE, 2)
    assert len(content) < 10_000
    assert "more memory than 512 MiB" in refused(content, Limits(memory=512 * MEBIBYTE, seconds=60))


def test_a_sheet_that_repeats_itself_is_bounded():
    content = corpus.open_sheets([["a"] * 200], repeat=100_000)
    assert "more memory than 512 MiB" in refused(content, Limits(memory=512 * MEBIBYTE, seconds=60))


def test_text_is_bounded():
    assert "more than 1 KiB of text" in refused(b"word " * 1000, Limits(text=1024))


def test_paragraphs_are_bounded():
    assert "more than 10 paragraphs" in refused(b"word\n\n" * 11, Limits(blocks=10))


def test_pages_are_bounded():
    assert "more than 1 pages" in refused(corpus.pdf("one", "two"), Limits(pages=1))
    assert "more than 1 slides" in refused(corpus.slides(), Limits(pages=1))


def test_what_an_archive_grows_to_is_bounded():
    content = corpus.with_members(corpus.word(), {"word/media/a": bytes(range(256)) * 8 * 1024})
    assert "larger than 1 MiB" in refused(content, Limits(unpacked=MEBIBYTE, ratio=10_000))


def test_cells_are_bounded():
    assert "more than 3 cells" in refused(b"a,b\n1,2\n", Limits(cells=3), filename="x.csv")
    assert "more than 3 cells" in refused(corpus.sheets(), Limits(cells=3))


@pytest.mark.parametrize(
    "content",
    [b"x" * 8 * MEBIBYTE, b" " * 8 * MEBIBYTE + b"x", b"x\n" * MEBIBYTE, b"# " * 4 * MEBIBYTE],
    ids=["a line", "a blank", "lines", "marks"],
)
@pytest.mark.parametrize("name", ["x.txt", "x.md", "x.csv", "x.py"])
def test_long_and_strange_texts_are_read_in_time(content, name):
    assert extract(content, filename=name, limits=Limits(seconds=30, cells=10_000_000)).blocks
