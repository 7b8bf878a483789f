"""Starts and directs an emulator from a test: blocking, standard library only."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apps
from inference.ports import free_port
from inference.process import tie_from_main_thread

START_SECONDS = 20.0
POLL_SECONDS = 0.02


class EmulatorServer:
    """`with EmulatorServer() as stripe_server: stripe_server.fault(path="/v1/customers", status=500)`."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Stripe's address, for the client: without /v1."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Also after the process has ended: the port stays the same."""
        command = [sys.executable, "-m", "apps.billing.emulator", "--port", str(self.port), *self._arguments]
        folder, tie = Path(apps.__file__).parent.parent, tie_from_main_thread(signal.SIGTERM)
        self._process = subprocess.Popen(command, cwd=folder, preexec_fn=tie)  # noqa: S603
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.ask("/_emulator/health")
            except OSError:
                time.sleep(POLL_SECONDS)
            else:
                return self
        self.stop()
        raise RuntimeError(f"the stand-in for Stripe did not start on port {self.port}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def reset(self) -> None:
        self.tell("/_emulator/reset")

    def fault(self, **fields: Any) -> None:
        """See `apps.billing.emulator.faults.Fault`."""
        self.tell("/_emulator/faults", **fields)

    def clear_faults(self) -> None:
        """Those that were ordered, and have not come yet."""
        self.tell("/_emulator/faults/clear")

    def rule(self, action: str, **fields: Any) -> None:
        """See `apps.billing.emulator.deliveries.Rule`."""
        self.tell("/_emulator/deliveries/rules", action=action, **fields)

    def clear_rules(self) -> None:
        self.tell("/_emulator/deliveries/clear")

    def release(self, *, events: list[str] | None = None, backwards: bool = False) -> int:
        """Let go of what was withheld; says how many deliveries."""
        count: int = self.tell("/_emulator/deliveries/release", events=events, backwards=backwards)["released"]
        return count

    def replay(self, event: str, *, times: int = 1) -> None:
        self.tell("/_emulator/deliveries/replay", event=event, times=times)

    def pay(self, session: str, **fields: Any) -> dict[str, Any]:
        """What a person would do on the page: `card`, `email`, `name`, and to `authenticate` or not."""
        outcome: dict[str, Any] = self.tell("/_emulator/checkout/pay", session=session, **fields)
        return outcome

    def authenticate(self, intent: str, *, succeeds: bool = True) -> dict[str, Any]:
        outcome: dict[str, Any] = self.tell("/_emulator/authenticate", intent=intent, succeeds=succeeds)
        return outcome

    def advance_time(self, seconds: int) -> int:
        """For customers who live by no test clock; the time that it is then."""
        now: int = self.tell("/_emulator/time/advance", seconds=seconds)["now"]
        return now

    def settings(self, **fields: Any) -> None:
        """Until the next reset: `dunning_days`, `after_dunning`, `draft_seconds`, `upcoming_days`."""
        self.tell("/_emulator/settings", **fields)

    def replace_card(self, payment_method: str, number: str) -> None:
        """A good card goes bad, or the other way round: it does what the test card of the number does."""
        self.tell("/_emulator/cards/replace", payment_method=payment_method, number=number)

    def dispute(self, charge: str, *, reason: str = "fraudulent") -> str:
        """The holder of the card takes the payment back; the dispute's identifier."""
        identifier: str = self.tell("/_emulator/disputes/begin", charge=charge, reason=reason)["dispute"]
        return identifier

    def close_dispute(self, dispute: str, *, won: bool) -> None:
        self.tell("/_emulator/disputes/close", dispute=dispute, won=won)

    def hold_meters(self) -> None:
        self.tell("/_emulator/meters/hold")

    def process_meters(self) -> int:
        count: int = self.tell("/_emulator/meters/process")["processed"]
        return count

    def journal(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.ask("/_emulator/journal")
        return entries

    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/_emulator/deliveries")["deliveries"]
        return found

    def wait_delivered(self, seconds: float = 20.0) -> None:
        """Until nothing is under way: delivered, given up, dropped or withheld."""
        self.wait(lambda: self.ask("/_emulator/deliveries")["under_way"] == 0, seconds)

    def wait(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; the deliveries: {self.deliveries()}")
            time.sleep(POLL_SECONDS)

    def ask(self, path: str) -> Any:
        return self._request("GET", path, None)

    def tell(self, path: str, /, **fields: Any) -> Any:
        return self._request("POST", path, json.dumps(fields).encode())

    def _request(self, method: str, path: str, body: bytes | None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(f"{path} answered {response.status}: {content.decode(errors='replace')}")
        return json.loads(content)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
