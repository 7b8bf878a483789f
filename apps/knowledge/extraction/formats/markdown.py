"""Markdown: headings, fenced code, tables, lists and paragraphs, line by line; inline marks stay as they are."""

import re

from apps.knowledge.extraction.collecting import Collector

ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|\Z)")
SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\Z")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|\Z)")
PIPE = re.compile(r"(?<!\\)\|")


def read(text: str, out: Collector) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    place = _front_matter(lines, out)
    while place < len(lines):
        place = _block(lines, place, out)


def _front_matter(lines: list[str], out: Collector) -> int:
    """Between two lines of three dashes at the top: what a site's maker is told of the page."""
    if lines[0].rstrip() != "---":
        return 0
    for place in range(1, min(len(lines), 200)):
        if lines[place].rstrip() in ("---", "..."):
            out.code("\n".join(lines[1:place]))
            return place + 1
    return 0


def _block(lines: list[str], place: int, out: Collector) -> int:
    """Returns the place of the line after it."""
    line = lines[place]
    if not line.strip():
        return place + 1
    if heading := ATX.match(line):
        out.heading(_title(line[heading.end() :]), level=len(heading[1]))
        return place + 1
    if fence := FENCE.match(line):
        return _fenced(lines, place, fence[1], out)
    if _is_table(lines, place):
        return _table(lines, place, out)
    if ITEM.match(line):
        return _list(lines, place, out)
    return _paragraph(lines, place, out)


def _title(text: str) -> str:
    """Without the number signs that may close it."""
    text = text.strip()
    open_ended = text.rstrip("#")
    return open_ended.rstrip() if not open_ended or open_ended[-1].isspace() else text


def _fenced(lines: list[str], place: int, mark: str, out: Collector) -> int:
    end = place + 1
    while end < len(lines) and not (lines[end].lstrip(" ").startswith(mark) and not lines[end].strip(f" \t{mark[0]}")):
        end += 1
    word = lines[place].strip(f" \t{mark[0]}")
    out.code("\n".join([word, *lines[place + 1 : end]] if " " in word else lines[place + 1 : end]))
    return end + 1


def _is_table(lines: list[str], place: int) -> bool:
    return (
        "|" in lines[place] and place + 1 < len(lines) and "|" in lines[place + 1] and _is_delimiter(lines[place + 1])
    )


def _is_delimiter(line: str) -> bool:
    return "-" in line and not line.strip("|:- \t")


def _table(lines: list[str], place: int, out: Collector) -> int:
    end = place + 2
    while end < len(lines) and lines[end].strip() and "|" in lines[end]:
        end += 1
    out.table(_cells(line) for number, line in enumerate(lines[place:end]) if number != 1)
    return end


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in PIPE.split(inner)]


def _list(lines: list[str], place: int, out: Collector) -> int:
    """Ends with a line that neither is an item nor belongs to one: not indented, after an empty one."""
    taken: list[str] = []
    while place < len(lines):
        after = place
        while after < len(lines) and not lines[after].strip():
            after += 1
        if after == len(lines) or (taken and _begins_another(lines, after)):
            break
        if after > place and not ITEM.match(lines[after]) and lines[after][0] not in " \t":
            break
        taken.append(lines[after])
        place = after + 1
    out.list(taken)
    return place


def _begins_another(lines: list[str], place: int) -> bool:
    return bool(ATX.match(lines[place]) or FENCE.match(lines[place])) or _is_table(lines, place)


def _paragraph(lines: list[str], place: int, out: Collector) -> int:
    """A line of dashes or equals signs below makes a heading of it."""
    end = place
    while end < len(lines) and lines[end].strip():
        if end > place and (under := SETEXT.match(lines[end])):
            out.heading(" ".join(lines[place:end]), level=1 if under[1][0] == "=" else 2)
            return end + 1
        if end > place and (_begins_another(lines, end) or ITEM.match(lines[end])):
            break
        end += 1
    out.text("\n".join(lines[place:end]))
    return end
