"""Starts and directs a fake engine from a test or a benchmark: blocking."""

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

import inference
from inference.ports import free_port
from inference.process import tie_from_main_thread

START_SECONDS = 20.0
POLL_SECONDS = 0.01


class FakeServer:
    """`with FakeServer("--output-tokens", "64") as fake: fake.script(status=503, times=1)`."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """Without /v1."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Also after the process has died: the port stays the same."""
        command = [sys.executable, "-m", "inference.fake", "--port", str(self.port), *self._arguments]
        folder = Path(inference.__file__).parent.parent
        self._process = subprocess.Popen(command, cwd=folder, preexec_fn=tie_from_main_thread(signal.SIGTERM))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.get("/health")
            except OSError:
                time.sleep(POLL_SECONDS)
            else:
                return self
        self.stop()
        raise RuntimeError(f"the fake engine did not start on port {self.port}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def drain(self, seconds: float = 30.0) -> int:
        """As Kubernetes ends a pod: SIGTERM, and time for what runs; for `--shutdown-timeout`. The exit status."""
        if self._process is None:
            raise RuntimeError("not started")
        self._process.terminate()
        return self._process.wait(seconds)

    def kill(self) -> None:
        """As a crash would: no goodbye to open connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait_dead(self, seconds: float = 5.0) -> int:
        """The exit status, after a script told the process to die."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.wait(seconds)

    def script(self, **fields: Any) -> None:
        """See `inference.fake.script.Script`; added after those that are in force already."""
        self.post("/fake/script", fields)

    def reset(self) -> None:
        self.post("/fake/reset", {})

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get("/fake/log"))
        return found

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.get("/fake/counters"))
        return found

    def set_metrics(self, **values: float) -> None:
        """Pretend a state, for example `kv_cache_usage_perc=0.97`."""
        self.post("/fake/metrics", values)

    def wait_log(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 5.0) -> dict[str, Any]:
        """The first request of which the condition holds, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while True:
            log = self.log()
            for entry in log:
                if condition(entry):
                    return entry
            if time.monotonic() > deadline:
                raise AssertionError(f"no such request within {seconds} s; the log holds {log}")
            time.sleep(POLL_SECONDS)

    def get(self, path: str) -> bytes:
        return self._request("GET", path, None)

    def post(self, path: str, payload: Any) -> bytes:
        return self._request("POST", path, json.dumps(payload).encode())

    def _request(self, method: str, path: str, body: bytes | None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(f"{path} answered {response.status}: {content.decode(errors='replace')}")
        return content

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
