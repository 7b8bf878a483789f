"""What the fake engine remembers: each request as it came and how it ended, totals, and vLLM's metrics."""

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

KEPT_REQUESTS = 2000
SECRET_HEADERS = {b"authorization", b"x-api-key", b"api-key"}


@dataclass(slots=True)
class Entry:
    """One request. Times are seconds since it began."""

    number: int
    path: str
    headers: Iterable[tuple[bytes, bytes]]
    began: float = field(default_factory=time.monotonic)
    body: bytes | None = None
    status: int | None = None
    generated: int = 0
    delivered: int = 0
    disconnected_after: float | None = None
    seconds: float | None = None
    fault: str | None = None

    @property
    def is_known(self) -> bool:
        """It was read, or ended before it could be: a request whose head alone has come says nothing yet."""
        return self.body is not None or self.seconds is not None

    @property
    def age(self) -> float:
        return time.monotonic() - self.began

    def describe(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "path": self.path,
            "headers": {key.decode("latin-1"): _redact(key, value) for key, value in self.headers},
            "body": _decode(self.body or b""),
            "status": self.status,
            "generated_tokens": self.generated,
            "delivered_tokens": self.delivered,
            "disconnected": self.disconnected_after is not None,
            "disconnected_after": self.disconnected_after,
            "seconds": self.seconds,
            "finished": self.seconds is not None,
            "fault": self.fault,
        }


class Journal:
    def __init__(self) -> None:
        self.reset()
        self.running = 0
        self.waiting = 0

    def reset(self) -> None:
        """Forget requests and totals; what is under way stays under way."""
        self.entries: deque[Entry] = deque(maxlen=KEPT_REQUESTS)
        self.totals: Counter[str] = Counter()
        self.ttft_seconds = 0.0
        self.e2e_seconds = 0.0

    def open(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Entry:
        self.totals["requests"] += 1
        entry = Entry(number=self.totals["requests"], path=path, headers=headers)
        self.entries.append(entry)
        return entry

    def close(self, entry: Entry) -> None:
        entry.seconds = entry.age
        self.e2e_seconds += entry.seconds
        totals = self.totals
        totals["completion_tokens"] += entry.generated
        if entry.disconnected_after is not None:
            totals["abort"] += 1
        elif entry.status != 200 or entry.fault:
            totals["error"] += 1
        else:
            totals["success"] += 1

    def counters(self) -> dict[str, Any]:
        names = (
            "requests",
            "success",
            "abort",
            "error",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
        )
        return {
            **{name: self.totals[name] for name in names},
            "running": self.running,
            "waiting": self.waiting,
        }


def _redact(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    return f"…{text[-4:]}" if name in SECRET_HEADERS else text


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
