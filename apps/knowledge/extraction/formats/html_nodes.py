"""Goes through a page's nodes without recursion, since pages nest as deeply as they like, and past what is hidden."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

TEXT = "-text"
UNSEEN = frozenset(
    ("script", "style", "nav", "noscript", "template", "iframe", "object", "svg", "canvas", "audio", "video", "dialog")
)
STYLED_AWAY = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)


def steps(top: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node below `top` that is seen: once entering it (True), once leaving it."""
    node, depth = top.child, 1
    while node is not None and depth:
        below = None
        if not is_hidden(node):
            yield node, True
            below = node.child
            if below is None:
                yield node, False
        if below is not None:
            node, depth = below, depth + 1
            continue
        while depth and node is not None and node.next is None:
            node, depth = node.parent, depth - 1
            if depth and node is not None:
                yield node, False
        node = node.next if node is not None and depth else None


def is_hidden(node: LexborNode) -> bool:
    tag = node.tag or ""
    if tag[:1] in ("-", "!"):
        return tag != TEXT
    if tag in UNSEEN:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    return bool(STYLED_AWAY.search(attributes.get("style") or ""))


def words_of(node: LexborNode) -> str:
    """Of a text as it stands in the source, or of what stands for an image; "" for other nodes."""
    if node.tag == TEXT:
        return node.text(deep=False) or ""
    return f" {node.attributes.get('alt') or ''} " if node.tag == "img" else ""
