"""Counts what an engine delivers: reads each event of a stream without writing it anew."""

import re
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from apps.gateway.estimate import BYTES_PER_TOKEN

DATA = b"data:"
DONE = b"[DONE]"
# Characters, where the engine's chunks are tokens; elsewhere BYTES_PER_TOKEN, as in any text.
LONGEST_TOKEN = 32
_RUNNING_USAGE = re.compile(rb',"usage":\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}')


Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class PromptDetails(msgspec.Struct):
    cached_tokens: Tokens | None = 0


class Usage(msgspec.Struct):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens | None = 0
    prompt_tokens_details: PromptDetails | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None
    delta: Delta | None = None
    text: str | None = None


class Event(msgspec.Struct):
    """The parts of a chunk, or of a whole answer, that concern the bill and the protocol."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: msgspec.Raw | None = None


class MalformedEventError(Exception):
    """An engine sent what its protocol does not allow."""


decode_event = msgspec.json.Decoder(Event).decode


@dataclass(slots=True)
class Meter:
    """What one answer has used so far, in tokens. `estimated` says that the engine gave no count of its own."""

    prompt_estimate: int
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    characters_per_token: int = LONGEST_TOKEN
    counted: bool = False
    chunks: int = 0
    done: bool = False
    _body_bytes: int = 0
    _characters: int = 0
    _begun: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)

    def read_body(self, body: bytes) -> None:
        """Reads a whole answer. Raises MalformedEventError for what is no JSON object, or is an error."""
        event = _decoded(body)
        if event.error is not None:
            raise MalformedEventError("the engine reported an error in its answer")
        if event.usage is not None:
            self._usage(event.usage)
        self._body_bytes = len(body) if event.choices else 1
        self.done = True

    def passed(self, frame: bytes, *, include_usage: bool) -> bytes | None:
        """Reads one event of a stream; what the caller gets of it, None for nothing. Raises MalformedEventError."""
        if b"\n" in frame:  # an event of several lines: its data is what counts
            frame = next((line for line in frame.split(b"\n") if line.startswith(DATA)), b"")
        if not frame.startswith(DATA):
            return frame if frame.startswith(b":") else None
        payload = frame[6:] if frame.startswith(b"data: ") else frame[5:]
        if payload == DONE:
            self.done = True
            return frame
        event = _decoded(payload)
        if event.error is not None:
            raise MalformedEventError("the engine reported an error in its stream")
        if event.usage is not None:
            self._usage(event.usage)
        if not event.choices:
            return frame if event.usage is None or include_usage else None
        self.chunks += 1
        for choice in event.choices:
            (self._ended if choice.finish_reason else self._begun).add(choice.index)
            if not self.counted:
                self._characters += _length(choice)
        # The running counts are what we asked for, not the caller.
        return frame if event.usage is None else _RUNNING_USAGE.sub(b"", frame)

    @property
    def finished(self) -> bool:
        """Whether every choice that began has come to its end."""
        return bool(self._ended) and self._begun <= self._ended

    def _usage(self, usage: Usage) -> None:
        details = usage.prompt_tokens_details
        self.counted = True
        self.input_tokens = usage.prompt_tokens
        self.output_tokens = usage.completion_tokens or 0
        self.cached_input_tokens = min((details.cached_tokens if details else 0) or 0, usage.prompt_tokens)

    def close(self) -> None:
        """Settles for an estimate where the answer ended before the engine gave its count.

        Our engines send one token a chunk, after a first chunk that only names the role. Others send more: no token
        is much longer than `characters_per_token`.
        """
        if self.estimated:
            self.input_tokens = self.prompt_estimate
            by_length = self._characters // self.characters_per_token
            self.output_tokens = max(self.chunks - 1, by_length, 0) or self._body_bytes // BYTES_PER_TOKEN

    @property
    def estimated(self) -> bool:
        return not self.counted and bool(self.chunks or self._body_bytes)


def _length(choice: Choice) -> int:
    delta = choice.delta
    said = (delta.content, delta.reasoning_content) if delta else (choice.text,)
    return sum(len(part) for part in said if part)


def _decoded(payload: bytes) -> Event:
    try:
        return decode_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEventError(f"the engine sent no valid JSON: {error}") from error
