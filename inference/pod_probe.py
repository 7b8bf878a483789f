"""Kubernetes' liveness probe of a vLLM pod: fails where it does not answer, or makes nothing while requests run.

`python3 -SP -m inference.pod_probe [PORT] [STATE FILE]`, in vLLM's own image, which has nothing of the platform: this
and what it imports are standard library only, and deploy/base/engines/probe ships copies of them.
"""

import http.client
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.progress import Progress, looked
from inference.vitals import STUCK_SECONDS, Vitals

ASK_SECONDS = 4.0
FORGET_SECONDS = 60.0  # without a look: the container was started again, or this machine slept
SILENT_SECONDS = 45.0
STATE = Path("/tmp/engine-progress.json")  # noqa: S108  (the pod's own)


def main(port: int = 8000, state: Path = STATE, *, stuck_seconds: float = STUCK_SECONDS) -> int:
    now = time.time()
    progress = looked(_before(state, now), _page(port), at=now)
    _keep(state, progress, now)
    if progress.is_well(now, stuck_seconds=stuck_seconds, silent_seconds=SILENT_SECONDS):
        return 0
    sys.stdout.write(_complaint(progress) + "\n")
    return 1


def _page(port: int) -> str | None:
    """Its /metrics, where it says as well that it is healthy."""
    try:
        if _get(port, "/health")[0] != http.client.OK:
            return None
        status, page = _get(port, "/metrics")
    except (OSError, http.client.HTTPException):
        return None
    return page if status == http.client.OK else None


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def _before(state: Path, now: float) -> Progress:
    """What the last look knew. A file that cannot be read is of no look."""
    try:
        kept: dict[str, Any] = json.loads(state.read_text())
        if not 0 <= now - kept["at"] < FORGET_SECONDS:
            return Progress()
        vitals = kept["vitals"]
        return Progress(Vitals(**vitals) if vitals else None, kept["silent_since"])
    except (OSError, ValueError, TypeError, KeyError):
        return Progress()


def _keep(state: Path, progress: Progress, now: float) -> None:
    new = state.with_suffix(".new")
    try:
        new.write_text(json.dumps({**asdict(progress), "at": now}))
        new.replace(state)
    except OSError as error:
        sys.stdout.write(f"What was seen cannot be kept: {error}\n")


def _complaint(progress: Progress) -> str:
    if progress.silent_since is not None:
        return "The engine does not answer /health and /metrics."
    return progress.vitals.complaint if progress.vitals else ""


if __name__ == "__main__":
    port, *rest = sys.argv[1:] or ["8000"]
    sys.exit(main(int(port), *map(Path, rest)))
