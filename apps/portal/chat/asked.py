"""What the page of a chat sends: a question, and what was said before it."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from apps.common.errors import Invalid
from apps.knowledge.services import without_numbers

LONGEST_QUESTION, LONGEST_ANSWER, MOST_TURNS = 4000, 100_000, 40
BYTES_PER_TOKEN, SHARE_OF_CONTEXT = 4, 3  # what was said before takes a third of what a model reads, at most


class Turn(Struct, forbid_unknown_fields=True):
    question: Annotated[str, Meta(max_length=LONGEST_QUESTION)]
    answer: Annotated[str, Meta(max_length=LONGEST_ANSWER)]

    @property
    def messages(self) -> list[dict[str, Any]]:
        answer = without_numbers(self.answer).strip()
        return [{"role": "user", "content": self.question}, {"role": "assistant", "content": answer}]


class Asked(Struct, forbid_unknown_fields=True):
    """`key`: the public id of the one that pays."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    question: Annotated[str, Meta(min_length=1, max_length=LONGEST_QUESTION)]
    turns: Annotated[list[Turn], Meta(max_length=MOST_TURNS)] = []


def asked_of(body: bytes) -> Asked:
    """Raises Invalid."""
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid(None, "The question could not be read; load the page again.") from error
    if not asked.question.strip():
        raise Invalid("question", "Ask something first.")
    if any("\0" in text for turn in asked.turns for text in (turn.question, turn.answer)) or "\0" in asked.question:
        raise Invalid("question", "The question has a NUL character.")
    return asked


def recent(turns: Sequence[Turn], *, context_length: int) -> list[Turn]:
    """The latest of them, as many as there is room for."""
    room, kept = context_length * BYTES_PER_TOKEN // SHARE_OF_CONTEXT, list[Turn]()
    for turn in reversed(turns):
        room -= len(turn.question.encode()) + len(turn.answer.encode())
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]
