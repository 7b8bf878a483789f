"""Counts what an engine delivers: reads each event of a stream without writing it anew."""

from dataclasses import dataclass

import msgspec


DATA = b"data:"
DONE = b"[DONE]"


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = 0


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: PromptDetails | None = None


class Choice(msgspec.Struct):
    finish_reason: str | None = None


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
    counted: bool = False
    chunks: int = 0
    finished: bool = False
    done: bool = False

    def read_body(self, body: bytes) -> None:
        """Reads a whole answer. Raises MalformedEventError for what is no JSON object."""
        self._usage(_decoded(body))
        self.finished = self.done = True

    def keep(self, frame: bytes, *, include_usage: bool) -> bool:
        """Reads one event of a stream; says whether the caller gets it. Raises MalformedEventError."""
        if not frame.startswith(DATA):
            return not frame or frame.startswith(b":")
        payload = frame[len(DATA) :].strip()
        if payload == DONE:
            self.done = True
            return True
        event = _decoded(payload)
        if event.error is not None:
            raise MalformedEventError("the engine reported an error in its stream")
        self._usage(event)
        if not event.choices:
            return event.usage is None or include_usage
        self.chunks += 1
        if not self.finished:
            self.finished = any(choice.finish_reason for choice in event.choices)
        return True

    def _usage(self, event: Event) -> None:
        usage = event.usage
        if usage is None:
            return
        details = usage.prompt_tokens_details
        self.counted = True
        self.input_tokens = usage.prompt_tokens
        self.output_tokens = usage.completion_tokens or 0
        self.cached_input_tokens = min((details.cached_tokens if details else 0) or 0, usage.prompt_tokens)

    def close(self) -> None:
        """Settles for an estimate where the answer ended before the engine gave its count.

        Engines send about one token a chunk, after a first chunk that only names the role.
        """
        if not self.counted and self.chunks:
            self.input_tokens = self.prompt_estimate
            self.output_tokens = max(self.chunks - 1, 0)

    @property
    def estimated(self) -> bool:
        return not self.counted and self.chunks > 0


def _decoded(payload: bytes) -> Event:
    try:
        return decode_event(payload)
    except msgspec.DecodeError as error:
        raise MalformedEventError(f"the engine sent no valid JSON: {error}") from error
