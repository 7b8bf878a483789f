"""What goes between the process that asks and the one that reads: a request's head, then the document; one answer."""

import msgspec

from apps.knowledge.extraction.contracts import Block, Limits, Reason

OVERHEAD = 64
"""Bytes that a block may take on the wire beyond its text."""


class Asked(msgspec.Struct, frozen=True):
    """The head. `parent`: the process that asked; `size`: of the document that follows, in bytes."""

    filename: str
    limits: Limits
    parent: int
    size: int


class Read(msgspec.Struct, frozen=True, tag=True):
    """`guards`: the means of confinement that this kernel offers."""

    media_type: str
    blocks: tuple[Block, ...]
    pages: int | None
    guards: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """`trace`: where the reader stood, without a word of the document."""

    code: Reason
    message: str
    trace: str = ""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The reader itself failed."""

    trace: str


Answer = Read | Refused | Failed

HEAD_LENGTH = 4
"""Bytes, big-endian, before the head."""


def head(asked: Asked) -> bytes:
    encoded = msgspec.msgpack.encode(asked)
    return len(encoded).to_bytes(HEAD_LENGTH, "big") + encoded


def head_of(encoded: bytes) -> Asked:
    return msgspec.msgpack.decode(encoded, type=Asked)


def answer(told: Answer) -> bytes:
    return msgspec.msgpack.encode(told)


def answer_of(encoded: bytes | bytearray) -> Answer:
    """Raises msgspec.MsgspecError."""
    answer: Answer = msgspec.msgpack.decode(encoded, type=Answer)
    return answer


def most(limits: Limits) -> int:
    """The bytes of the longest answer."""
    return limits.text + OVERHEAD * limits.blocks + 65_536
