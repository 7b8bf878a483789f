"""From a file's bytes to its passages, as they are embedded and searched."""

import hashlib
import re
from dataclasses import dataclass

from apps.knowledge.extraction import Document, Passage, configuration_of, extract, split

CONTEXT_SPARE = 16  # tokens of a model's context that are left alone
HEADINGS_TOKENS = 64  # at most, of the path of headings that is embedded with each passage
# A WordPiece vocabulary cuts English words in 1.3 pieces; long ones, numbers and names in many. Counting more than
# there are costs some passages; counting fewer would cut their ends off.
_PIECES = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
LETTERS_A_TOKEN, DIGITS_A_TOKEN = 5, 2
_WIDE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Reading:
    media_type: str
    pages: int | None
    language: str
    configuration: str
    passages: list[Passage]


def read(content: bytes, *, filename: str, max_tokens: int, overlap: int, context: int | None) -> Reading:
    """`context`: tokens that the embedding model takes. Raises UnreadableError or ReaderFailedError."""
    document: Document = extract(content, filename=filename)
    if context:
        room = max(CONTEXT_SPARE, context - CONTEXT_SPARE - min(HEADINGS_TOKENS, context // 4))
        if max_tokens > room:
            overlap = overlap * room // max_tokens
            max_tokens = room
    return Reading(
        media_type=document.media_type,
        pages=document.pages,
        language=document.language,
        configuration=configuration_of(document.language),
        passages=split(document, max_tokens=max_tokens, overlap=overlap, count=count_tokens),
    )


def count_tokens(text: str) -> int:
    """Rather too many than too few: which model's tokens they will be is known to its engine alone."""
    count = 0
    for piece in _PIECES.findall(text):
        if piece[0].isdigit():
            count += -(-len(piece) // DIGITS_A_TOKEN)
        elif wide := len(_WIDE.findall(piece)):
            count += wide + -(-(len(piece) - wide) // LETTERS_A_TOKEN)
        else:
            count += -(-len(piece) // LETTERS_A_TOKEN)
    return count


def embedded_text(headings: tuple[str, ...] | list[str], text: str) -> str:
    """What a passage's vector is made of: where it stands, and what it says."""
    path = " > ".join(headings)
    if not path:
        return text
    while count_tokens(path) > HEADINGS_TOKENS:
        path = path[: len(path) // 2]
    return f"{path}\n{text}"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
