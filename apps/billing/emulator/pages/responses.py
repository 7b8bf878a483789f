"""What a page's handler answers with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    html: str
    status: int = 200


@dataclass(frozen=True)
class Redirect:
    """303: whatever was posted, the next is a GET."""

    address: str


@dataclass(frozen=True)
class File:
    content: bytes
    type: str
    name: str


Answer = Page | Redirect | File
