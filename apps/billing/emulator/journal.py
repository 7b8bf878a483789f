"""The requests that came, for the tests that ask what was sent; keys are shown by their last four characters."""

from collections import deque
from typing import Any

from apps.billing.emulator.store import Object

KEPT_REQUESTS = 2000
SHOWN_HEADERS = ("idempotency-key", "stripe-version", "user-agent", "content-type")


class Journal:
    def __init__(self) -> None:
        self.entries: deque[Object] = deque(maxlen=KEPT_REQUESTS)

    def open(self, *, request: str, method: str, path: str, headers: dict[str, str]) -> Object:
        entry: dict[str, Any] = {
            "request": request,
            "method": method,
            "path": path,
            "parameters": None,
            "key": None,
            "headers": {name: headers[name] for name in SHOWN_HEADERS if name in headers},
            "status": None,
            "replayed": False,
            "fault": None,
            "error": None,
        }
        self.entries.append(entry)
        return entry

    def reset(self) -> None:
        self.entries.clear()
