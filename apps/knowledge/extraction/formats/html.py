"""HTML: what a reader of the page would see of it, as headings, paragraphs, lists, tables and code."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.decoding import decoded
from apps.knowledge.extraction.formats.html_lists import Lists
from apps.knowledge.extraction.formats.html_nodes import TEXT, steps, words_of
from apps.knowledge.extraction.normalising import on_one_line
from apps.knowledge.extraction.refusals import invalid

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BREAKING = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"),
        *(
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "header",
            "hr",
            "html",
            "legend",
            "li",
            "main",
            "option",
        ),
        *("p", "section", "summary", "table", "td", "th", "title", "tr"),
    )
)
LISTS = ("ul", "ol", "menu")
MOST_OPEN = 10_000
"""Elements in one another: the parser's time is the square of that."""
TAGS = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
BLANKS = re.compile(r"\s+")
NEVER_OPEN = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"),
        *("p", "li", "dd", "dt", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "optgroup", "rt", "rp", "path"),
    )
)
"""Those without an end tag, or whose end tag may be left out."""


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    text = decoded(content, guess=guess)
    if _deepest(text) > MOST_OPEN:
        raise invalid("The page's elements are nested too deeply. Save it anew and upload that.")
    parsed = LexborHTMLParser(text)
    if parsed.root is not None:
        Page(out, has_heading=parsed.css_first("h1") is not None).read(parsed.root)
    return "text/html", None


def _deepest(text: str) -> int:
    depth = deepest = 0
    for closing, name in TAGS.findall(text):
        if name.lower() not in NEVER_OPEN:
            depth = max(depth - 1, 0) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest


class Page:
    def __init__(self, out: Collector, *, has_heading: bool) -> None:
        self._out = out
        self._levels = {**HEADINGS, "title": 0 if has_heading else 1}
        self._inline: list[str] = []
        self._lists = Lists(out)
        self._rows: list[list[str]] = []
        self._arranging: set[int] = set()
        self._takes = self._in_page

    def read(self, root: LexborNode) -> None:
        self._find_arranging(root)
        for node, entering in steps(root):
            self._takes(node, node.tag or "", entering)
        self._flush()
        self._lists.put_out()

    def _find_arranging(self, root: LexborNode) -> None:
        """Tables that hold tables, headings, lists or code arrange a page; they are no data."""
        tables: list[int] = []
        for node, entering in steps(root):
            if not entering:
                if node.tag == "table":
                    tables.pop()
                continue
            if tables and (node.tag in HEADINGS or node.tag in LISTS or node.tag in ("pre", "table")):
                self._arranging.add(tables[-1])
            if node.tag == "table":
                tables.append(node.mem_id)

    def _in_page(self, node: LexborNode, tag: str, entering: bool) -> None:
        if tag in (TEXT, "img", "br"):
            self._take(node, tag, entering)
        elif tag in self._levels:
            self._flush(level=0 if entering else self._levels[tag])
        elif tag == "pre" or (tag == "table" and node.mem_id not in self._arranging):
            self._flush()
            self._lists.put_out()
            self._takes = self._in_code if tag == "pre" else self._in_table
        elif tag in LISTS:
            self._flush()
            self._lists.begin(ordered=tag == "ol") if entering else self._lists.end()
        elif tag in BREAKING:
            self._flush()
            if tag == "li" and entering:
                self._lists.item()

    def _take(self, node: LexborNode, tag: str, entering: bool) -> None:
        if entering:
            self._inline.append("\n" if tag == "br" else BLANKS.sub(" ", words_of(node)))

    def _flush(self, *, level: int = 0) -> None:
        lines = [on_one_line(line) for line in "".join(self._inline).split("\n")]
        text = "\n".join(line for line in lines if line)
        self._inline = []
        if not text:
            return
        if level:
            self._lists.put_out()
            self._out.heading(text, level=level)
        elif not self._lists.take(text):
            self._out.text(text)

    def _in_code(self, node: LexborNode, tag: str, entering: bool) -> None:
        if tag == "pre" and not entering:
            self._out.code("".join(self._inline))
            self._inline, self._takes = [], self._in_page
        elif entering:
            self._inline.append("\n" if tag == "br" else words_of(node))

    def _in_table(self, node: LexborNode, tag: str, entering: bool) -> None:
        if tag in (TEXT, "img", "br"):
            self._take(node, tag, entering)
        elif tag == "table" and not entering:
            self._end_cell()
            self._out.table(self._rows)
            self._rows, self._takes = [], self._in_page
        elif tag == "caption" and not entering:
            self._flush()
        elif tag in ("td", "th", "tr"):
            self._end_cell()
            if tag == "tr" and entering:
                self._rows.append([])
            elif tag != "tr" and entering:
                self._rows[-1].append("")
        elif tag in BREAKING:
            self._inline.append(" ")

    def _end_cell(self) -> None:
        text = on_one_line("".join(self._inline))
        self._inline = []
        if text and not (self._rows and self._rows[-1]):
            self._out.text(text)  # beside the cells
        elif text:
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {text}".strip()
