"""Texts: tells Markdown, tables, JSON, source code and prose apart, by content where that says it, else by name."""

import re
from collections.abc import Callable

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.decoding import decoded
from apps.knowledge.extraction.formats import delimited, jsons, markdown
from apps.knowledge.extraction.formats.languages import CODE

EXTENSION = re.compile(r"\.([A-Za-z0-9+#]{1,12})\s*\Z")
PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
Reader = Callable[[str, Collector], None]


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    text = decoded(content, guess=guess)
    found = EXTENSION.search(filename)
    extension = found[1].lower() if found else ""
    if jsons.is_one(text):
        jsons.read(text, out)
        return "application/json", None
    if extension in NAMED:
        media_type, reader = NAMED[extension]
        reader(text, out)
        return media_type, None
    if extension in CODE:
        out.code(text)
        return CODE[extension], None
    plain(text, out)
    return "text/plain", None


def plain(text: str, out: Collector) -> None:
    for paragraph in PARAGRAPHS.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        out.text(paragraph)


def _commas(text: str, out: Collector) -> None:
    delimited.read(text, out)


def _tabs(text: str, out: Collector) -> None:
    delimited.read(text, out, delimiter="\t")


NAMED: dict[str, tuple[str, Reader]] = {
    **dict.fromkeys(("md", "markdown", "mdown", "mkd", "mkdn"), ("text/markdown", markdown.read)),
    "csv": ("text/csv", _commas),
    "tsv": ("text/tab-separated-values", _tabs),
    "tab": ("text/tab-separated-values", _tabs),
    **dict.fromkeys(("jsonl", "ndjson"), ("application/jsonl", jsons.read_lines)),
}
