"""Counts what an engine delivers; how its dialect says so is the business of `apps.gateway.wires`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from apps.gateway.contracts import Tokens
from apps.gateway.estimate import BYTES_PER_TOKEN

END = b"\n\n"
# Characters, where the engine's chunks are tokens; elsewhere BYTES_PER_TOKEN, as in any text.
LONGEST_TOKEN = 32
Read = TypeVar("Read")


class MalformedEventError(Exception):
    """An engine sent what its protocol does not allow."""


def decoded(payload: bytes, decode: "msgspec.json.Decoder[Read]") -> Read:
    """Raises MalformedEventError."""
    try:
        return decode.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEventError(f"the engine sent no valid JSON: {error}") from error


class RestWriter(Protocol):
    """Writes the rest of an answer that another engine tells in chat's chunks; `done` writes its end."""

    def event(self, chunk: dict[str, Any]) -> bytes: ...

    def done(self) -> bytes: ...


@dataclass(slots=True)
class Meter:
    """What one answer has used so far, in tokens. `estimated` says that the engine gave no count of its own.

    A subclass reads one dialect. `broken` is what is wrong with a stream, once it is; `said` the texts that came;
    `is_fragile`: what came is more than one text, and cannot be continued elsewhere.
    """

    prompt_estimate: int
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    characters_per_token: int = LONGEST_TOKEN
    counted: bool = False
    chunks: int = 0
    done: bool = False
    broken: MalformedEventError | None = None
    said: list[str] = field(default_factory=list)
    body_bytes: int = 0
    was_estimated: bool = False
    is_fragile: bool = False

    def read_body(self, body: bytes) -> None:
        """Reads a whole answer. Raises MalformedEventError for what is no JSON object, or is an error."""
        raise NotImplementedError

    def read(self, data: bytes, *, include_usage: bool) -> bytes:
        """Reads whole events of a stream; what the caller gets of them: all before the one that is `broken`, if any.

        Sets `done` with the event that ends the stream.
        """
        raise NotImplementedError

    @staticmethod
    def is_refusal(first: bytes) -> bool:
        """Whether a stream begins with an error, so that another engine can be asked: nothing has been passed on."""
        return False

    @property
    def finished(self) -> bool:
        """Whether the answer has come to its end, though its stream may not have."""
        raise NotImplementedError

    def ending(self) -> bytes:
        """What ends a stream whose answer is `finished`, where the engine left it out."""
        raise NotImplementedError

    @staticmethod
    def error_event(message: str, *, code: str, request_id: str) -> bytes:
        """An error within a stream."""
        raise NotImplementedError

    @property
    def tokens(self) -> Tokens:
        """As they are counted; once the meter is closed, or estimated."""
        return Tokens(self.input_tokens, self.cached_input_tokens, self.output_tokens, self.reasoning_tokens)

    def close(self) -> None:
        """Settles for an estimate where the answer ended before the engine gave its count."""
        tokens = self.so_far()
        self.input_tokens, self.output_tokens = tokens.input, tokens.output

    def so_far(self) -> Tokens:
        """What has been counted or, where no count came, is estimated.

        Our engines send one token a chunk, after a first chunk that only names the role. Others send more: no token
        is much longer than `characters_per_token`.
        """
        if self.counted or not (self.chunks or self.body_bytes):
            return self.tokens
        by_length = sum(map(len, self.said)) // self.characters_per_token
        output = max(self.chunks - 1, by_length, 0) or self.body_bytes // BYTES_PER_TOKEN
        return Tokens(self.input_tokens or self.prompt_estimate, self.cached_input_tokens, output)

    @property
    def is_closed(self) -> bool:
        """Whether the engine has said that its text is whole, and not yet that its answer is."""
        return False

    def rest(self, model: str) -> RestWriter | None:
        """A writer that goes on where this stream is now; None where the caller has no beginning of an answer."""
        return None

    def goes_on(self, so_far: Tokens) -> None:
        """Another engine goes on: its events follow, its counts will be those of the whole answer."""
        self.was_estimated = self.was_estimated or not self.counted
        self.counted = self.done = False
        self.broken = None
        self.chunks = so_far.output + 1
        self.prompt_estimate = so_far.input

    @property
    def estimated(self) -> bool:
        return self.was_estimated or (not self.counted and bool(self.chunks or self.body_bytes))


def fresh(meter: Meter) -> Meter:
    """One that has read nothing yet of the same answer."""
    return type(meter)(meter.prompt_estimate, characters_per_token=meter.characters_per_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How an endpoint's requests and answers look on the wire.

    `prompt_field` is what a refusal for a prompt that is too long names. `asks_for_usage`: a stream's count must be
    asked for, as OpenAI's chat has it.
    """

    endpoint: str
    path: str
    prompt_field: str
    meter: type[Meter]
    asks_for_usage: bool = False

    def payload(self, payload: dict[str, Any], *, model: str | None, stream: bool, running: bool) -> dict[str, Any]:
        """The request as an engine gets it; `running`: with the count so far in each event."""
        asked = payload if model is None else {"model": model, **payload}
        if not stream:
            return asked
        if not self.asks_for_usage:
            return {**asked, "stream": True}
        options: dict[str, Any] = {"include_usage": True}
        if running:
            options["continuous_usage_stats"] = True
        return {**asked, "stream": True, "stream_options": options}

    def renaming(self, upstream: str, public: str) -> Callable[[bytes], bytes]:
        """Puts the public name where an answer names its model.

        Inside a JSON text the quotes would be escaped, so that only the field itself is found.
        """
        if upstream == public:
            return lambda data: data
        old, new = (b'"model":' + msgspec.json.encode(name) for name in (upstream, public))
        return lambda data: data.replace(old, new)
