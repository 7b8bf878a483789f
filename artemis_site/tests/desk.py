"""Calls services inside the running platform, as its portal would: from a process of its own that tests direct."""

import base64
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from artemis_site.tests.errands import Bill, Key, bill_of, make_key
from deploy.local.platform import ROOT

Result = TypeVar("Result")


class Desk:
    """`desk.call(revoke_key, key)`: the function runs over there, its result comes back."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "artemis_site.settings",
            "LOG_LEVEL": "ERROR",
        }

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "artemis_site.tests.desk_worker"],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def call(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Raises AssertionError with what the function raised."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(base64.b64encode(pickle.dumps((function, arguments, named))) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the desk's process has ended"
        error, result = pickle.loads(base64.b64decode(line))
        assert error is None, f"{function.__name__} failed: {error}"
        return result

    def key(self, *, account: str = "", **policy: Any) -> Key:
        """A new key with this policy; of the administrator's account where none is named."""
        return self.call(make_key, account, policy)

    def bill(self, key: Key, *, requests: int, seconds: float = 10) -> Bill:
        """What the key used, once so many requests are recorded and nothing is held any more."""
        deadline = time.monotonic() + seconds
        while True:
            bill = self.call(bill_of, key.public_id)
            if len(bill.requests) == requests and not bill.open_holds and not any(bill.held):
                return bill
            assert time.monotonic() < deadline, f"expected {requests} requests and nothing held, found {bill}"
            time.sleep(0.05)
