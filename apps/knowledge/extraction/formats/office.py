"""What the formats of Office Open XML share: which of them an archive is, parts that point to others, local names."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from apps.knowledge.extraction.formats.archive import Archive
from apps.knowledge.extraction.refusals import invalid

OPEN_XML = "application/vnd.openxmlformats-officedocument."
SKIPPED = frozenset({"del", "moveFrom", "Fallback", "pPr", "rPr"})
"""Text that was taken out, alternatives for older programs, properties."""


@dataclass(frozen=True, slots=True)
class Relation:
    kind: str
    target: str


def local(element: etree._Element) -> str:
    """The name without its namespace: transitional and strict documents have different ones."""
    return str(element.tag).rpartition("}")[2]


def attribute(element: etree._Element, name: str) -> str:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return ""


def child(element: etree._Element | None, *path: str) -> etree._Element | None:
    for name in path:
        element = next((each for each in element if local(each) == name), None) if element is not None else None
    return element


def inner(element: etree._Element, wanted: frozenset[str]) -> Iterator[etree._Element]:
    """The nearest descendants of these names, in order, through whatever wraps them."""
    for each in element:
        name = local(each)
        if name in wanted:
            yield each
        elif name not in SKIPPED:
            yield from inner(each, wanted)


def relations(archive: Archive, part: str) -> dict[str, Relation]:
    """By id; of what lies in the archive."""
    folder, _, name = part.rpartition("/")
    described = posixpath.join(folder, "_rels", f"{name}.rels")
    if described not in archive:
        return {}
    found: dict[str, Relation] = {}
    for each in archive.xml(described):
        target = attribute(each, "Target")
        if attribute(each, "TargetMode") == "External" or not target:
            continue
        path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        if path in archive:
            found[attribute(each, "Id")] = Relation(attribute(each, "Type").rpartition("/")[2], path)
    return found


def main_part(archive: Archive) -> str:
    """Raises UnreadableError where there is none."""
    for relation in relations(archive, "").values():
        if relation.kind == "officeDocument":
            return relation.target
    raise invalid("The file is damaged: its main part is missing. Save it anew and upload that.")
