"""PDF: text page by page, with the headings of its outline where a page has them."""

import re
from collections import defaultdict

import pypdfium2
from pypdfium2 import raw

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.normalising import on_one_line
from apps.knowledge.extraction.refusals import ENCRYPTED, invalid

MEDIA_TYPE = "application/pdf"
HYPHENATED = re.compile("[\ufffe\x02\u00ad]\r?\n?")
"""How PDFium marks a hyphen at a line's end that is not the word's."""
MOST_OUTLINED = 20_000
DEEPEST = 6
MOST_LINES = 4
"""That a heading is set in."""
SCANNED = "There is no text in the PDF; it looks scanned. Run text recognition (OCR) over it and upload the result."


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise invalid(ENCRYPTED) from error
        raise
    pages = len(document)
    if pages > out.limits.pages:
        raise invalid(f"The PDF has more than {out.limits.pages:,} pages. Split it.")
    outline = _outline(document)
    for number in range(pages):
        out.page = number + 1
        _page(_text(document, number), outline.get(number, {}), out)
    if not out.blocks:
        raise invalid(SCANNED)
    return MEDIA_TYPE, pages


def _text(document: pypdfium2.PdfDocument, number: int) -> str:
    """Of a page that cannot be read, none: the others may hold what is wanted."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return ""
    textpage = page.get_textpage()
    text = str(textpage.get_text_range())
    textpage.close()
    page.close()
    return HYPHENATED.sub("", text).replace("\r\n", "\n")


def _outline(document: pypdfium2.PdfDocument) -> dict[int, dict[str, int]]:
    """Of each page, what it has of titles, and their levels."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for number, entry in enumerate(document.get_toc(max_depth=DEEPEST)):
        if number >= MOST_OUTLINED:
            break
        target, title = entry.get_dest(), _bare(entry.get_title())
        page = target.get_index() if target else None
        if page is not None and title:
            found[page].setdefault(title, entry.level + 1)
    return found


def _page(text: str, titles: dict[str, int], out: Collector) -> None:
    lines = text.split("\n")
    held: list[str] = []
    place = 0
    while place < len(lines):
        taken, level = _heading(lines, place, titles) if titles else (0, 0)
        if taken:
            out.text("\n".join(held))
            out.heading(" ".join(lines[place : place + taken]), level=level)
            held = []
        else:
            held.append(lines[place])
        place += taken or 1
    for paragraph in "\n".join(held).split("\n\n"):
        out.text(paragraph)


def _heading(lines: list[str], place: int, titles: dict[str, int]) -> tuple[int, int]:
    """How many lines from here are a title, and its level; a title is one once."""
    for many in range(1, MOST_LINES + 1):
        level = titles.pop(_bare(" ".join(lines[place : place + many])), 0)
        if level:
            return many, level
    return 0, 0


def _bare(title: str) -> str:
    """Outlines leave numbers out, or blanks, or write them otherwise."""
    return re.sub(r"^[\d.\sIVX]+(?=\D)", "", on_one_line(title)).casefold().replace(" ", "")
