"""DOCX: headings, paragraphs, lists, tables, text boxes and notes in the order of the document."""

from collections.abc import Iterator

from lxml import etree

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.formats.archive import Archive
from apps.knowledge.extraction.formats.office import OPEN_XML, attribute, child, inner, local, main_part, relations
from apps.knowledge.extraction.formats.word_styles import Numbering, Styles

MEDIA_TYPE = f"{OPEN_XML}wordprocessingml.document"
BLOCKS = frozenset({"p", "tbl"})
ROWS, CELLS = frozenset({"tr"}), frozenset({"tc"})
INLINE = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
NOTES = {"footnotes": "footnoteReference", "endnotes": "endnoteReference"}


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    archive = Archive(content, out.limits)
    Word(archive, out).read()
    return MEDIA_TYPE, None


class Word:
    def __init__(self, archive: Archive, out: Collector) -> None:
        self._out = out
        part = main_part(archive)
        parts = {relation.kind: relation.target for relation in relations(archive, part).values()}
        self._body = archive.xml(part)
        self._styles = Styles(archive.xml(parts["styles"]) if "styles" in parts else None)
        self._numbering = Numbering(archive.xml(parts["numbering"]) if "numbering" in parts else None)
        self._notes: dict[tuple[str, str], etree._Element] = {}
        for kind, reference in NOTES.items():
            for note in archive.xml(parts[kind]) if kind in parts else ():
                self._notes[reference, attribute(note, "id")] = note
        margins = {relation.target: relation.kind for relation in relations(archive, part).values()}
        self._margins = [archive.xml(name) for name, kind in margins.items() if kind in ("header", "footer")]
        self._items: list[str] = []

    def read(self) -> None:
        self._blocks(self._body)
        self._end_list()
        seen: set[str] = set()
        for margin in self._margins:
            for text in self._texts(margin):
                if text not in seen:
                    self._out.text(text)
                seen.add(text)

    def _blocks(self, element: etree._Element) -> None:
        for block in inner(element, BLOCKS):
            if local(block) == "p":
                self._paragraph(block)
            else:
                self._end_list()
                self._out.table(self._rows(block))

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = "".join(self._inline(paragraph)).strip()
        level = self._styles.level(paragraph)
        numbered = self._styles.numbered(paragraph)
        if text and level:
            self._end_list()
            self._out.heading(text, level=level)
        elif text and numbered:
            self._items.append(self._numbering.item(*numbered, text))
        elif text:
            self._end_list()
            self._out.text(text)
        for aside in self._asides(paragraph):
            self._end_list()
            self._blocks(aside)

    def _end_list(self) -> None:
        if self._items:
            self._out.list(self._items)
            self._items = []

    def _inline(self, element: etree._Element) -> Iterator[str]:
        """Without text boxes, which are paragraphs of their own."""
        for each in inner(element, frozenset({"t", "txbxContent", *INLINE})):
            name = local(each)
            if name == "t":
                yield each.text or ""
            elif name in INLINE:
                yield INLINE[name]

    def _asides(self, paragraph: etree._Element) -> Iterator[etree._Element]:
        """Text boxes, and the notes that are referred to; each note once."""
        for each in inner(paragraph, frozenset({"txbxContent", *NOTES.values()})):
            if local(each) == "txbxContent":
                yield each
            else:
                note = self._notes.pop((local(each), attribute(each, "id")), None)
                if note is not None:
                    yield note

    def _rows(self, table: etree._Element) -> Iterator[list[str]]:
        for row in inner(table, ROWS):
            cells: list[str] = []
            for cell in inner(row, CELLS):
                cells.append(" ".join(self._texts(cell)))
                span = attribute(wide, "val") if (wide := child(cell, "tcPr", "gridSpan")) is not None else ""
                cells += [""] * (min(int(span), 64) - 1 if span.isdecimal() else 0)
            yield cells

    def _texts(self, element: etree._Element) -> Iterator[str]:
        """Of all paragraphs in it, also those of tables and boxes within."""
        for paragraph in inner(element, frozenset({"p"})):
            text = "".join(self._inline(paragraph)).strip()
            if text:
                yield text
            for aside in self._asides(paragraph):
                yield from self._texts(aside)
