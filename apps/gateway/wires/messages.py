"""Anthropic's messages: one object, or named events from message_start to message_stop."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from apps.gateway.metering import END, MalformedEventError, Meter, Wire, decoded
from apps.gateway.wires.openai import Tokens
from apps.gateway.wires.rest_of_message import RestOfMessage

EVENT, DATA = b"event: ", b"data:"
ERROR = b'"error"'
STARTED = b'"message_start"'
STOP_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_HEADS = re.compile(rb"(?:^|\n\n)event: [a-z_]+\ndata: ")


class Usage(msgspec.Struct):
    """What is None was not said: the events of a stream each tell a part, or tell it again."""

    input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None


class Delta(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class Message(msgspec.Struct):
    usage: Usage | None = None


class Block(msgspec.Struct):
    type: str


class Event(msgspec.Struct):
    """The parts of an event, or of a whole answer, that concern the bill and the protocol."""

    type: str
    index: int = 0
    content_block: Block | None = None
    message: Message | None = None
    delta: Delta | None = None
    usage: Usage | None = None
    content: list[msgspec.Raw] | None = None
    error: msgspec.Raw | None = None


_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])


@dataclass(slots=True)
class MessagesMeter(Meter):
    """Its input includes what was cached, which Anthropic counts apart.

    `_index`, `_kind`: of the block that began last; of none, once it has ended.
    """

    _begun: bool = False
    _index: int = -1
    _kind: str = ""
    _uncached: int = 0
    _cache_writes: int = 0
    _stopped: bool = False

    def read_body(self, body: bytes) -> None:
        event = decoded(body, _event)
        if event.type == "error" or event.error is not None:
            raise MalformedEventError("the engine reported an error in its answer")
        if event.usage is not None:
            self._usage(event.usage)
            self.counted = event.usage.output_tokens is not None
        self.body_bytes = len(body) if event.content else 1
        self.done = True

    def read(self, data: bytes, *, include_usage: bool) -> bytes:
        """Events mostly come as their engine wrote them, a name and a line of JSON each: one call reads those."""
        if data.startswith(EVENT) and ERROR not in data:
            try:
                events = _events.decode(b"[%b]" % _HEADS.sub(b",", data)[1:-2])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                events = []
            if len(events) == data.count(END) and not any(event.type == "message_stop" for event in events[:-1]):
                return self._read_together(data, events)
        return self._read_one_by_one(data)

    def _read_together(self, data: bytes, events: list[Event]) -> bytes:
        for event in events[:-1]:
            self._count(event)
        try:
            self._count(events[-1])
        except MalformedEventError as error:  # the end of an answer that was none
            self.broken = error
            return data[: data.rfind(END, 0, -2) + 2] if len(events) > 1 else b""
        return data

    def _read_one_by_one(self, data: bytes) -> bytes:
        kept: list[bytes] = []
        try:
            for frame in data[:-2].split(END):
                payload = b"".join(line[5:] for line in frame.split(b"\n") if line.startswith(DATA)).strip()
                if not payload or payload == b"[DONE]":  # comments pass; vLLM ends its stream as OpenAI does, too
                    kept += [frame + END] if frame.startswith(b":") else []
                    continue
                self._count(decoded(payload, _event))
                kept.append(frame + END)
                if self.done:
                    break
        except MalformedEventError as error:
            self.broken = error
        return b"".join(kept)

    def _count(self, event: Event) -> None:
        """Raises MalformedEventError for an error, and for an end that comes before the answer's."""
        kind, delta = event.type, event.delta
        if kind == "content_block_delta":
            self.chunks += 1
            if delta is not None:
                self.said.append(delta.text or delta.thinking or delta.partial_json or "")
        elif kind == "message_delta":
            self._stopped = self._stopped or bool(delta and delta.stop_reason)
            if event.usage is not None:
                self._usage(event.usage)
                self.counted = event.usage.output_tokens is not None
        elif kind == "message_stop":
            if not self._stopped:
                raise MalformedEventError("the engine said that it is done before its answer was")
            self.done = True
        elif kind == "error" or event.error is not None:
            raise MalformedEventError("the engine reported an error in its stream")
        else:
            self._place(event)

    def _place(self, event: Event) -> None:
        if event.type == "message_start":
            if event.message is not None and event.message.usage is not None:
                self._usage(event.message.usage)
                self.output_tokens = 0  # Claude names the first token before it has come
            self._begun = True
            self.chunks += 1  # as a chat's first chunk: without a token
        elif event.type == "content_block_start":
            self._index, self._kind = event.index, event.content_block.type if event.content_block else ""
            self.is_fragile = self.is_fragile or self._kind != "text"
        elif event.type == "content_block_stop":
            self._kind = ""

    @staticmethod
    def is_refusal(first: bytes) -> bool:
        """Claude says so with a 200 when it finds out too late that it is overloaded."""
        return first.startswith(b"event: error")

    @property
    def finished(self) -> bool:
        return self._stopped

    def ending(self) -> bytes:
        return STOP_EVENT

    @staticmethod
    def error_event(message: str, *, code: str, request_id: str) -> bytes:
        error = {"type": "api_error", "message": message, "code": code, "details": {"error_code": code}}
        body = msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})
        return b"event: error\ndata: " + body + END

    @property
    def is_closed(self) -> bool:
        return self._index >= 0 and not self._kind

    def rest(self, model: str) -> RestOfMessage | None:
        if not self._begun or (self.said and self._index < 0):
            return None
        made, is_told = self.so_far().output, self.input_tokens > 0
        return RestOfMessage(index=self._index, kind=self._kind, made=made, prompt_is_told=is_told)

    def _usage(self, usage: Usage) -> None:
        if usage.input_tokens is not None:
            self._uncached = usage.input_tokens
        if usage.cache_read_input_tokens is not None:
            self.cached_input_tokens = usage.cache_read_input_tokens
        if usage.cache_creation_input_tokens is not None:
            self._cache_writes = usage.cache_creation_input_tokens
        self.input_tokens = self._uncached + self._cache_writes + self.cached_input_tokens
        self.output_tokens = usage.output_tokens or 0


class MessagesWire(Wire):
    def renaming(self, upstream: str, public: str) -> Callable[[bytes], bytes]:
        """The model stands in a whole answer beside `type`, and in a stream once, in message_start.

        Not found by its name: a tool's input may hold a `"model"`, too, and Claude answers with a dated name.
        """
        name = msgspec.Raw(msgspec.json.encode(public))

        def renamed(data: bytes) -> bytes:
            if data.startswith(b"{"):
                return _with_model(data, name)
            if STARTED not in data:
                return data
            return END.join([_started(frame, name) for frame in data.split(END)])

        return renamed


def _with_model(body: bytes | msgspec.Raw, name: msgspec.Raw) -> bytes:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, "model": name})


def _started(frame: bytes, name: msgspec.Raw) -> bytes:
    head, data, body = frame.partition(b"data: ")
    if not data or STARTED not in body:
        return frame
    event = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if "message" not in event:
        return frame
    message = msgspec.Raw(_with_model(event["message"], name))
    return head + data + msgspec.json.encode({**event, "message": message})


MESSAGES = MessagesWire(endpoint="messages", path="/messages", prompt_field="messages", meter=MessagesMeter)
