"""OpenAI's responses: one object, or typed events of which one carries the finished response and ends the stream."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from apps.gateway.metering import END, MalformedEventError, Meter, Wire, decoded
from apps.gateway.wires.rest_of_response import STAGES, TEXT_BEGUN, RestOfResponse
from inference.responses_writer import ENDS

EVENT, DATA = b"event: ", b"data: "
FAILS = frozenset({"response.failed", "response.cancelled", "error"})
WELL = frozenset({"completed", "incomplete"})

Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class InputDetails(msgspec.Struct):
    cached_tokens: Tokens | None = 0
    cache_write_tokens: Tokens | None = 0


class OutputDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = 0


class Usage(msgspec.Struct):
    input_tokens: Tokens = 0
    output_tokens: Tokens | None = 0
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Item(msgspec.Struct):
    """Or a part of one."""

    type: str
    id: str | None = None


class Response(msgspec.Struct):
    """The parts of a response that concern the bill and the protocol."""

    status: str = ""
    output: list[Item] | None = None
    usage: Usage | None = None
    error: Any = None
    incomplete_details: dict[str, Any] | None = None


class Event(msgspec.Struct):
    type: str
    sequence_number: int = -1
    delta: str | None = None
    item: Item | None = None
    part: Item | None = None
    response: Response | None = None


_response = msgspec.json.Decoder(Response)
_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])


@dataclass(slots=True)
class ResponsesMeter(Meter):
    """`_last`: the number of the last event. `_item`, `_stage`: of the message that came, and how much of it did."""

    _last: int = -1
    _item: str = ""
    _stage: int = 0

    def read_body(self, body: bytes) -> None:
        self._finish(decoded(body, _response))
        self.body_bytes = len(body)

    def read(self, data: bytes, *, include_usage: bool) -> bytes:
        events = _plain(data)
        return self._read_together(data, events) if events else self._read_one_by_one(data)

    def _read_together(self, data: bytes, events: list[Event]) -> bytes:
        taken = 0
        try:
            for event in events:
                self._count(event)
                taken += 1
                if self.done:  # nothing follows the end
                    break
        except MalformedEventError as error:
            self.broken = error
        if taken == len(events):
            return data
        return b"".join([frame + END for frame in data.split(END)[:taken]])

    def _read_one_by_one(self, data: bytes) -> bytes:
        kept: list[bytes] = []
        try:
            for frame in data[:-2].split(END):
                if self._passes(frame):
                    kept.append(frame + END)
                if self.done:
                    break
        except MalformedEventError as error:
            self.broken = error
        return b"".join(kept)

    def _passes(self, frame: bytes) -> bool:
        """Reads one event; whether the caller gets it. Raises MalformedEventError."""
        payloads = [line[5:].lstrip() for line in frame.split(b"\n") if line.startswith(b"data:")]
        if not payloads:
            return frame.startswith(b":")
        if payloads == [b"[DONE]"]:
            raise MalformedEventError("the engine said that it is done before its answer was")
        self._count(decoded(b"\n".join(payloads), _event))
        return True

    def _count(self, event: Event) -> None:
        """Raises MalformedEventError."""
        if event.type in FAILS:
            raise MalformedEventError("the engine reported an error in its stream")
        if event.type in ENDS:
            self._finish(event.response or Response())
        elif event.delta is not None:
            self.chunks += 1
            self.said.append(event.delta)
        else:
            self._place(event)
        self._last = max(event.sequence_number, self._last + 1)

    def _place(self, event: Event) -> None:
        if self._last < 0:
            self.chunks += 1  # as a chat's first chunk: without a token
        if event.type not in STAGES:
            return
        if event.part is not None and event.part.type != "output_text":
            self.is_fragile = True
        if event.item is not None and event.type == STAGES[0]:
            self.is_fragile = self.is_fragile or event.item.type != "message" or self._stage > 0
            self._item = event.item.id or ""
        self._stage = STAGES.index(event.type) + 1

    def _finish(self, response: Response) -> None:
        """Raises MalformedEventError for a response that has not come to its end."""
        if response.status not in WELL or response.output is None or response.error is not None:
            raise MalformedEventError("the engine reported an error in its answer, or gave none")
        usage = response.usage
        if usage is not None:
            cached = (usage.input_tokens_details and usage.input_tokens_details.cached_tokens) or 0
            self.counted = True
            self.input_tokens = usage.input_tokens
            self.output_tokens = usage.output_tokens or 0
            thoughts = (usage.output_tokens_details and usage.output_tokens_details.reasoning_tokens) or 0
            self.cached_input_tokens = min(cached, usage.input_tokens)
            self.reasoning_tokens = min(thoughts, self.output_tokens)
        self.done = True

    @property
    def finished(self) -> bool:
        return self.done

    def ending(self) -> bytes:
        """Nothing: the event that finishes the answer ends the stream, too."""
        return b""

    @property
    def is_closed(self) -> bool:
        return self._stage > TEXT_BEGUN

    def rest(self, model: str) -> RestOfResponse | None:
        if self._last < 0 or (self.said and self._stage < TEXT_BEGUN):
            return None
        text, item = "".join(self.said), self._item or f"msg_{secrets.token_hex(20)}"
        return RestOfResponse(number=self._last + 1, item=item, index=0, stage=self._stage, text=text)

    def error_event(self, message: str, *, code: str, request_id: str) -> bytes:  # type: ignore[override]
        error = {"type": "error", "sequence_number": self._last + 1, "code": code, "message": message, "param": None}
        return b"event: error\ndata: " + msgspec.json.encode({**error, "request_id": request_id}) + END


def _plain(data: bytes) -> list[Event]:
    """Events mostly come as two lines each, the kind and the data: one call reads those together. Else none."""
    lines = data.split(b"\n")
    payloads = lines[1::3]
    if not data.startswith(EVENT) or len(lines) != 3 * len(payloads) + 1 or any(lines[2::3]):
        return []
    if not all(line.startswith(DATA) for line in payloads):
        return []
    try:
        events = _events.decode(b"[%b]" % b",".join([line[6:] for line in payloads]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return events if len(events) == len(payloads) else []


RESPONSES = Wire(endpoint="responses", path="/responses", prompt_field="input", meter=ResponsesMeter)
