"""What a document is once it has been read, what it is cut into, and how reading it can fail."""

from dataclasses import dataclass
from typing import Literal

MEBIBYTE = 1024 * 1024

Kind = Literal["heading", "text", "table", "code", "list"]
Reason = Literal["unsupported_file", "invalid_file"]


@dataclass(frozen=True, slots=True)
class Block:
    """`text` of a table: its rows in Markdown, the header row first. `level`: of a heading, 1 to 6. `page`: from 1; a
    PDF's page, a slide's number, a sheet's place in its workbook, None elsewhere."""

    kind: Kind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """`media_type` is by content, never by name. `language`: ISO 639-1, "" where unsure."""

    media_type: str
    blocks: tuple[Block, ...]
    pages: int | None
    language: str


@dataclass(frozen=True, slots=True)
class Passage:
    """`headings`: the path of headings above it, the outermost first."""

    text: str
    headings: tuple[str, ...]
    page: int | None
    tokens: int


class UnreadableError(Exception):
    """The document is at fault, and trying again changes nothing. `message` tells its owner what to do."""

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ReaderFailedError(Exception):
    """The reader is at fault: it cannot be started, or was killed from outside. It may be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What reading one document may take. Sizes are bytes.

    `seconds` bound the wall's clock and the processor's alike; `memory` is the reader's address space; `text` and
    `blocks` are what may come out. `members`, `unpacked` and `ratio` are of the archive that an Office file is, `cells`
    of one sheet, empty ones within its bounds included."""

    seconds: int = 120
    memory: int = 1536 * MEBIBYTE
    text: int = 32 * MEBIBYTE
    blocks: int = 500_000
    pages: int = 10_000
    members: int = 20_000
    unpacked: int = 512 * MEBIBYTE
    ratio: int = 200
    cells: int = 4_000_000
