"""JSON: indented anew, so that it can be cut at its lines, with every name, number and repeated key as it was."""

import json
import re
from collections.abc import Iterator

from apps.knowledge.extraction.collecting import Collector

TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
MOST_INDENT = 20


def is_one(text: str) -> bool:
    """Whether it is an object or a list; words and numbers alone are JSON, too, and prose. Raises RecursionError."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


def read(text: str, out: Collector) -> None:
    out.code("\n".join(_lines(text)))


def read_lines(text: str, out: Collector) -> None:
    """A value on each line."""
    out.code("\n".join(_readable(text).split("\n")))


def _readable(text: str) -> str:
    """Escaped letters as letters, which can be searched for."""
    return TOKENS.sub(lambda found: _unescaped(found[0]), text) if "\\u" in text else text


def _lines(text: str) -> Iterator[str]:
    depth, line = 0, ""
    for found in TOKENS.finditer(text):
        piece = found[0]
        if piece in "}]":
            if line.strip() and line.strip() not in "{[":
                yield line
                line = ""
            depth -= 1
            line = (line or _indent(depth)) + piece
        elif piece in "{[":
            yield line + piece
            depth += 1
            line = _indent(depth)
        elif piece == ",":
            yield line + piece
            line = _indent(depth)
        else:
            line += ": " if piece == ":" else _unescaped(piece)
    yield line


def _indent(depth: int) -> str:
    return " " * min(2 * depth, MOST_INDENT)


def _unescaped(piece: str) -> str:
    if "\\u" not in piece or piece[0] != '"':
        return piece
    try:
        return json.dumps(json.loads(piece), ensure_ascii=False)
    except ValueError:
        return piece
