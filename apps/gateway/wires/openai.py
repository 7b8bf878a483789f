"""OpenAI's chat completions, completions and embeddings: one object, or chunks that end with [DONE]."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from apps.gateway.metering import END, MalformedEventError, Meter, Wire, decoded

DATA = b"data:"
DONE = b"[DONE]"
DONE_EVENT = b"data: [DONE]\n\n"
PLAIN, BETWEEN, LAST = b"data: {", b"\n\ndata: ", b"\n\ndata: [DONE]"
ERROR = b'"error"'
ABORTED = b'"finish_reason":"abort"'
HEAD = ("id", "object", "created", "system_fingerprint")
_TIMINGS = re.compile(rb',"timings":\{[^{}]*\}|"timings":\{[^{}]*\},')
_RUNNING_USAGE = re.compile(rb',"usage":\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}')


Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class PromptDetails(msgspec.Struct):
    cached_tokens: Tokens | None = 0


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = 0


class Usage(msgspec.Struct):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens | None = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None
    delta: Delta | None = None
    text: str | None = None


class Event(msgspec.Struct):
    """The parts of a chunk, or of a whole answer, that concern the bill and the protocol."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])


@dataclass(frozen=True, slots=True)
class RestOfChunks:
    """Chunks that bear the id, the time and the model of those which the caller has."""

    head: dict[str, Any]

    def event(self, chunk: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % _encode({**chunk, **self.head})

    def done(self) -> bytes:
        return DONE_EVENT


@dataclass(slots=True)
class OpenAIMeter(Meter):
    """`head` is the first event."""

    head: bytes = b""
    _begun: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)

    def read_body(self, body: bytes) -> None:
        event = decoded(body, _event)
        if event.error is not None:
            raise MalformedEventError("the engine reported an error in its answer")
        _check_not_aborted(event.choices or ())
        if event.usage is not None:
            self._usage(event.usage)
        self.body_bytes = len(body) if event.choices else 1
        self.done = True

    def read(self, data: bytes, *, include_usage: bool) -> bytes:
        """Events mostly come as their engine wrote them, one line of JSON each: one call reads those together."""
        if not self.head and data.startswith(PLAIN):
            self.head = data[: data.find(END)]
        if data.startswith(PLAIN) and ERROR not in data and ABORTED not in data:
            body = data[6:-2]
            is_last = body.endswith(LAST)
            if is_last:
                body = body[: -len(LAST)]
            try:
                events = _events.decode(b"[%b]" % body.replace(BETWEEN, b","))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                events = []
            if len(events) == body.count(END) + 1:
                return self._read_plain(data, events, is_last=is_last, include_usage=include_usage)
        return self._read_one_by_one(data, include_usage=include_usage)

    def _read_plain(self, data: bytes, events: list[Event], *, is_last: bool, include_usage: bool) -> bytes:
        changed = False
        for event in events:
            self._count(event)
            changed = changed or event.usage is not None
        if changed:
            frames = data[:-2].split(END)
            kept = [_shown(frame, event, include_usage) for frame, event in zip(frames, events, strict=False)]
            data = b"".join([frame + END for frame in kept if frame is not None])
            if is_last:
                data += DONE_EVENT
        if is_last:
            self.done = True
            if not self.finished:
                self.broken = MalformedEventError("the engine said that it is done before its answer was")
                data = data[: -len(DONE_EVENT)]
        return data

    def _read_one_by_one(self, data: bytes, *, include_usage: bool) -> bytes:
        kept: list[bytes] = []
        try:
            for frame in data[:-2].split(END):
                passed = self._passed(frame, include_usage=include_usage)
                if self.done and not self.finished:
                    raise MalformedEventError("the engine said that it is done before its answer was")
                if passed is not None:
                    kept.append(passed + END)
        except MalformedEventError as error:
            self.broken = error
        return b"".join(kept)

    def _passed(self, frame: bytes, *, include_usage: bool) -> bytes | None:
        """Reads one event of a stream; what the caller gets of it, None for nothing. Raises MalformedEventError."""
        if b"\n" in frame:  # an event of several lines: its data is what counts
            frame = next((line for line in frame.split(b"\n") if line.startswith(DATA)), b"")
        if not frame.startswith(DATA):
            return frame if frame.startswith(b":") else None
        payload = frame[6:] if frame.startswith(b"data: ") else frame[5:]
        if payload == DONE:
            self.done = True
            return frame
        event = decoded(payload, _event)
        if event.error is not None:
            raise MalformedEventError("the engine reported an error in its stream")
        self._count(event)
        return _shown(frame, event, include_usage)

    def _count(self, event: Event) -> None:
        choices = event.choices
        _check_not_aborted(choices or ())
        if event.usage is not None:
            self._usage(event.usage)
        if not choices:
            return
        self.chunks += 1
        for choice in choices:
            if choice.finish_reason:
                self._ended.add(choice.index)
            elif choice.index not in self._begun:
                self._begun.add(choice.index)
            if choice.delta is not None:
                self._hear(choice.delta)
            elif choice.text:
                self.said.append(choice.text)

    def _hear(self, delta: Delta) -> None:
        if delta.content:
            self.said.append(delta.content)
        if delta.reasoning_content or delta.reasoning:
            self.said.append(delta.reasoning_content or delta.reasoning or "")
            self.is_fragile = True
        if delta.tool_calls:
            self.is_fragile = True

    @property
    def finished(self) -> bool:
        """Whether every choice that began has come to its end."""
        return bool(self._ended) and self._begun <= self._ended

    def ending(self) -> bytes:
        return DONE_EVENT

    def rest(self, model: str) -> RestOfChunks | None:
        try:
            first = msgspec.json.decode(self.head.removeprefix(DATA), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # it began with garbage, or not at all
        return RestOfChunks({name: first[name] for name in HEAD if name in first} | {"model": model})

    @staticmethod
    def error_event(message: str, *, code: str, request_id: str) -> bytes:
        error = {"message": message, "type": "server_error", "param": None, "code": code, "request_id": request_id}
        return b"data: " + msgspec.json.encode({"error": error}) + END

    def _usage(self, usage: Usage) -> None:
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        self.counted = True
        self.input_tokens = usage.prompt_tokens
        self.output_tokens = usage.completion_tokens or 0
        self.cached_input_tokens = min((prompt and prompt.cached_tokens) or 0, self.input_tokens)
        self.reasoning_tokens = min((completion and completion.reasoning_tokens) or 0, self.output_tokens)


def _check_not_aborted(choices: Iterable[Choice]) -> None:
    """vLLM says so of what it was told to drop, as it stops or falls asleep, and looks well otherwise."""
    if any(choice.finish_reason == "abort" for choice in choices):
        raise MalformedEventError("the engine aborted its answer")


def _shown(frame: bytes, event: Event, include_usage: bool) -> bytes | None:
    """An event as the caller gets it; None for the count that only we asked for."""
    if event.usage is None:
        return frame
    if not event.choices:
        return frame if include_usage else None
    return _RUNNING_USAGE.sub(b"", frame)  # running counts are ours, too


def without_timings(data: bytes) -> bytes:
    """llama.cpp adds an account of its own, which no client knows and which tells of the machine it runs on.

    Inside a JSON text the quotes would be escaped, so that only the field itself is found.
    """
    return _TIMINGS.sub(b"", data) if b'"timings"' in data else data


CHAT = Wire(
    endpoint="chat.completions",
    path="/chat/completions",
    prompt_field="messages",
    meter=OpenAIMeter,
    asks_for_usage=True,
)
COMPLETIONS = Wire(
    endpoint="completions", path="/completions", prompt_field="prompt", meter=OpenAIMeter, asks_for_usage=True
)
EMBEDDINGS = Wire(endpoint="embeddings", path="/embeddings", prompt_field="input", meter=OpenAIMeter)
