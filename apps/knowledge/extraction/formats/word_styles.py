"""What a Word document's styles and numberings make of its paragraphs: headings and items of lists."""

import re
from collections import Counter

from lxml import etree

from apps.knowledge.extraction.formats.office import attribute, child, local

HEADING = re.compile(r"heading ([1-9])\Z")
OUTLINE_LEVELS = 9
MOST_BASES = 20


class Styles:
    def __init__(self, root: etree._Element | None) -> None:
        self._styles = (
            {attribute(style, "styleId"): style for style in root if local(style) == "style"}
            if root is not None
            else {}
        )
        self._levels: dict[str, int] = {}

    def level(self, paragraph: etree._Element) -> int:
        """1 to 9, or 0: no heading."""
        own = _outline(child(paragraph, "pPr"))
        return own if own is not None else self._level_of(_style(paragraph))

    def numbered(self, paragraph: etree._Element) -> tuple[str, int] | None:
        """The numbering's id, and the depth in it from 0; None for what is no item."""
        own = _number(child(paragraph, "pPr"))
        if own is None:
            own = next(
                (found for base in self._bases(_style(paragraph)) if (found := _number(child(base, "pPr")))), None
            )
        return own if own and own[0] != "0" else None

    def _level_of(self, style: str) -> int:
        if style not in self._levels:
            self._levels[style] = next((level for base in self._bases(style) if (level := _named(base)) is not None), 0)
        return self._levels[style]

    def _bases(self, style: str) -> list[etree._Element]:
        """It and what it is based on."""
        chain: list[etree._Element] = []
        while style in self._styles and len(chain) < MOST_BASES:
            chain.append(self._styles[style])
            base = child(chain[-1], "basedOn")
            style = attribute(base, "val") if base is not None else ""
        return chain


class Numbering:
    def __init__(self, root: etree._Element | None) -> None:
        abstract: dict[str, dict[int, str]] = {}
        self._formats: dict[str, dict[int, str]] = {}
        for each in root if root is not None else ():
            if local(each) == "abstractNum":
                abstract[attribute(each, "abstractNumId")] = _formats(each)
            elif (pointed := child(each, "abstractNumId")) is not None:
                self._formats[attribute(each, "numId")] = abstract.get(attribute(pointed, "val"), {})
        self._counts: dict[str, Counter[int]] = {}

    def item(self, number: str, depth: int, text: str) -> str:
        counts = self._counts.setdefault(number, Counter())
        counts[depth] += 1
        for deeper in [each for each in counts if each > depth]:
            del counts[deeper]
        mark = "-" if self._formats.get(number, {}).get(depth, "bullet") == "bullet" else f"{counts[depth]}."
        return f"{'  ' * depth}{mark} {text}"


def _formats(numbering: etree._Element) -> dict[int, str]:
    formats: dict[int, str] = {}
    for level in numbering:
        style, depth = child(level, "numFmt"), attribute(level, "ilvl")
        if style is not None and depth.isdecimal():
            formats[int(depth)] = attribute(style, "val")
    return formats


def _style(paragraph: etree._Element) -> str:
    style = child(paragraph, "pPr", "pStyle")
    return attribute(style, "val") if style is not None else ""


def _named(style: etree._Element) -> int | None:
    """By its name, which is English in every language's Word, or by its place in an outline."""
    name = child(style, "name")
    called = attribute(name, "val").lower() if name is not None else ""
    if called == "title":
        return 1
    found = HEADING.match(called)
    return int(found[1]) if found else _outline(child(style, "pPr"))


def _outline(properties: etree._Element | None) -> int | None:
    level = child(properties, "outlineLvl")
    value = attribute(level, "val") if level is not None else ""
    if not value.isdecimal():
        return None
    return int(value) + 1 if int(value) < OUTLINE_LEVELS else 0


def _number(properties: etree._Element | None) -> tuple[str, int] | None:
    number, depth = child(properties, "numPr", "numId"), child(properties, "numPr", "ilvl")
    if number is None:
        return None
    deep = attribute(depth, "val") if depth is not None else "0"
    return attribute(number, "val"), min(int(deep), 8) if deep.isdecimal() else 0
