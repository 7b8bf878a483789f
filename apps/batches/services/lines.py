"""The lines of a batch's file: what they must be, and how the answers to them look in the files that come back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from django.conf import settings

from apps.batches.contracts import Reply
from apps.batches.models import Batch
from apps.files.contracts import FileFacts
from apps.files.selectors import LineTooLongError, lines_of_file

MOST_LINES = 50_000
MOST_ERRORS = 100  # that are told
ENVELOPE_BYTES = 4096  # of a line, around its body
TOO_SLOW = "request_timeout", "This request took too long to be answered."
EXPIRED = "batch_expired", "This request could not be executed before the completion window expired."
CANCELLED = "batch_cancelled", "The batch was cancelled before this request was executed."


class Line(msgspec.Struct, forbid_unknown_fields=True):
    custom_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str
    body: msgspec.Raw


class Body(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Task:
    """A checked line."""

    number: int
    custom_id: str
    model: str
    body: bytes


_line, _body = msgspec.json.Decoder(Line), msgspec.json.Decoder(Body)
_encode = msgspec.json.Encoder().encode


class BadLineError(Exception):
    def __init__(self, number: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.number, self.code, self.param = number, code, param

    def row(self) -> dict[str, Any]:
        return {"code": self.code, "line": self.number, "message": str(self), "param": self.param}


def tasks_of_file(file: FileFacts, endpoint: str) -> Iterator[Task]:
    """Of a file that was found good. Raises BadLineError."""
    for number, text in _lines(file):
        yield _task(number, text, endpoint)


def errors_of_file(file: FileFacts, endpoint: str) -> tuple[list[dict[str, Any]], int]:
    """What is wrong with a file, line by line, and how many requests it has."""
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    count = 0
    try:
        for number, text in _lines(file):
            count += 1
            if count > MOST_LINES:
                raise BadLineError(number, "too_many_requests", f"A batch has at most {MOST_LINES} requests.")
            try:
                task = _task(number, text, endpoint)
                if task.custom_id in seen:
                    raise BadLineError(number, "duplicate_custom_id", "This custom_id stands twice.", "custom_id")
                seen.add(task.custom_id)
            except BadLineError as error:
                errors.append(error.row())
                if len(errors) >= MOST_ERRORS:
                    break
    except BadLineError as error:
        errors.append(error.row())
    if not count and not errors:
        errors.append({"code": "empty_file", "line": None, "message": "The file has no requests.", "param": None})
    return errors, count


def _lines(file: FileFacts) -> Iterator[tuple[int, bytes]]:
    longest = settings.GATEWAY_MAX_BODY_BYTES + ENVELOPE_BYTES
    try:
        yield from lines_of_file(file=file, longest=longest)
    except LineTooLongError as error:
        message = f"A line has at most {longest} bytes."
        raise BadLineError(error.number, "line_too_long", message) from error


def _task(number: int, text: bytes, endpoint: str) -> Task:
    try:
        line = _line.decode(text)
    except msgspec.ValidationError as error:
        raise BadLineError(number, "invalid_request", f"This line is no request of a batch: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLineError(number, "invalid_json_line", "This line is not parseable as valid JSON.") from error
    if line.url != endpoint:
        raise BadLineError(number, "invalid_url", f"The url must be the batch's endpoint, {endpoint}.", "url")
    body = bytes(line.body)
    try:
        model = _body.decode(body).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "The body must be a JSON object that names a model."
        raise BadLineError(number, "invalid_body", message, "body.model") from error
    return Task(number, line.custom_id, model, body)


def request_id(batch: Batch, line: int, tries: int) -> str:
    """Of a line's first try, and of those after it: what each is settled under, once."""
    again = f"_r{tries}" if tries else ""
    return f"req_{batch.public_id}_{line}{again}"


def answered_entry(batch: Batch, task: Task, reply: Reply, request: str) -> bytes:
    body = msgspec.Raw(msgspec.json.format(reply.body, indent=-1))  # an entry is one line
    response = {"status_code": reply.status, "request_id": request, "body": body}
    return _entry(batch, task, {"response": response, "error": None})


def unanswered_entry(batch: Batch, task: Task, reason: tuple[str, str]) -> bytes:
    code, message = reason
    return _entry(batch, task, {"response": None, "error": {"code": code, "message": message}})


def _entry(batch: Batch, task: Task, rest: dict[str, Any]) -> bytes:
    name = f"batch_req_{batch.public_id.removeprefix('batch_')}_{task.number}"
    return _encode({"id": name, "custom_id": task.custom_id, **rest}) + b"\n"
