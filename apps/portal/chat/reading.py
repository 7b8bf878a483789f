"""Reads the stream of a chat completion, as the gateway forwards it."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

DATA = b"data: {"


class Delta(Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @property
    def is_thought(self) -> bool:
        return bool(self.reasoning or self.reasoning_content)


class Choice(Struct):
    delta: Delta = field(default_factory=Delta)
    finish_reason: str | None = None


class Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Failure(Struct):
    message: str = ""


class Chunk(Struct):
    choices: list[Choice] = []
    usage: Usage | None = None
    error: Failure | None = None


_decode = msgspec.json.Decoder(Chunk).decode


def chunks_of(part: bytes) -> Iterator[Chunk]:
    """Of whole events."""
    for line in part.splitlines():
        if line.startswith(DATA):
            yield _decode(line[len(DATA) - 1 :])
