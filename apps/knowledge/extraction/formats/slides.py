"""PPTX: each slide a page, with its title, text, tables, diagrams and notes."""

from collections.abc import Iterator

from lxml import etree

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.formats.archive import Archive
from apps.knowledge.extraction.formats.office import (
    OPEN_XML,
    Relation,
    attribute,
    child,
    inner,
    local,
    main_part,
    relations,
)
from apps.knowledge.extraction.refusals import invalid

MEDIA_TYPE = f"{OPEN_XML}presentationml.presentation"
SHAPES = frozenset({"sp", "tbl"})
PARAGRAPHS, RUNS = frozenset({"p"}), frozenset({"t", "br", "tab"})
ROWS, CELLS = frozenset({"tr"}), frozenset({"tc"})
DRAWN = ("diagramData", "chart")
"""What a slide shows of other parts."""


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    archive = Archive(content, out.limits)
    part = main_part(archive)
    known = relations(archive, part)
    listed = child(archive.xml(part), "sldIdLst")
    slides = [known[each] for slide in (listed if listed is not None else ()) if (each := _pointer(slide)) in known]
    if len(slides) > out.limits.pages:
        message = f"The presentation has more than {out.limits.pages:,} slides. Split it into smaller files."
        raise invalid(message)
    for number, slide in enumerate(slides, 1):
        out.page = number
        _slide(archive, slide, number, out)
    return MEDIA_TYPE, len(slides)


def _pointer(slide: etree._Element) -> str:
    """Its relation's id; `id` without a namespace is another thing."""
    return next((str(value) for key, value in slide.attrib.items() if key.endswith("}id")), "")


def _slide(archive: Archive, slide: Relation, number: int, out: Collector) -> None:
    shapes = list(inner(archive.xml(slide.target), SHAPES))
    titles = [shape for shape in shapes if _place(shape) in ("title", "ctrTitle")]
    title = " ".join(text for shape in titles for _, text in _paragraphs(shape))
    out.heading(title or f"Slide {number}", level=1)
    for shape in shapes:
        if local(shape) == "tbl":
            out.table(_rows(shape))
        elif shape not in titles and _place(shape) != "sldNum":
            _text(shape, out)
    for relation in relations(archive, slide.target).values():
        if relation.kind in DRAWN:
            drawn = inner(archive.xml(relation.target), frozenset({"t", "v"}))
            out.text("\n".join(dict.fromkeys(each.text or "" for each in drawn)))
        elif relation.kind == "notesSlide":
            for shape in inner(archive.xml(relation.target), frozenset({"sp"})):
                if _place(shape) == "body":
                    _text(shape, out)


def _place(shape: etree._Element) -> str:
    """What its layout keeps it for; "" for a shape of the slide's own."""
    held = child(shape, "nvSpPr", "nvPr", "ph")
    return (attribute(held, "type") or "object") if held is not None else ""


def _text(shape: etree._Element, out: Collector) -> None:
    paragraphs = list(_paragraphs(shape))
    if len(paragraphs) > 1:
        out.list(f"{'  ' * depth}- {text}" for depth, text in paragraphs)
    elif paragraphs:
        out.text(paragraphs[0][1])


def _paragraphs(element: etree._Element) -> Iterator[tuple[int, str]]:
    """With its depth, from 0."""
    for paragraph in inner(element, PARAGRAPHS):
        text = "".join(each.text or "" if local(each) == "t" else " " for each in inner(paragraph, RUNS)).strip()
        if text:
            properties = child(paragraph, "pPr")
            depth = attribute(properties, "lvl") if properties is not None else ""
            yield min(int(depth), 8) if depth.isdecimal() else 0, text


def _rows(table: etree._Element) -> Iterator[list[str]]:
    for row in inner(table, ROWS):
        yield [" ".join(text for _, text in _paragraphs(cell)) for cell in inner(row, CELLS)]
