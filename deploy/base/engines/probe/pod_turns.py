"""Starts vLLMs of one pod that share its GPU by turns, one after another; one of them stays awake.

Before one starts, whoever is awake is put to sleep, since the memory must be free. Once it has started it sleeps, and
the others are woken, since gateways hold them for awake; where none was, it was itself the one, and stays awake.
Standard library only, as `pod_probe.py`.

    python3 -SP -m inference.pod_turns clear PORT LEVEL OTHERS… -- vllm serve …
    python3 -SP -m inference.pod_turns started PORT LEVEL OTHERS…        (the startup probe)
"""

import http.client
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ASK_SECONDS = 3.0
CHANGE_SECONDS = 50.0  # of a startup probe's 60
FOLDER = Path("/tmp")  # noqa: S108  (the pod's own)


def clear(port: int, level: int, others: Sequence[int], *, folder: Path = FOLDER) -> None:
    """Raises OSError where one does not fall asleep: Kubernetes then tries again."""
    awake = [other for other in others if _is_awake(other)]
    note = _note(folder, port)
    kept = json.loads(note.read_text()) if note.exists() else []
    note.write_text(json.dumps(sorted({*kept, *awake})))
    for other in awake:
        _fall_asleep(other, level)


def started(port: int, level: int, others: Sequence[int], *, folder: Path = FOLDER) -> bool:
    """Whether it has started, and one of all is awake, as before."""
    try:
        if _ask("GET", port, "/health")[0] != http.client.OK:
            return False
        note = _note(folder, port)
        before = json.loads(note.read_text()) if note.exists() else []
        if (before or any(map(_is_awake, others))) and _is_awake(port):
            _fall_asleep(port, level)
        for other in before:
            if not _is_awake(other):
                _wake_up(other, level)
        note.unlink(missing_ok=True)
    except (OSError, http.client.HTTPException):
        return False
    return True


def _note(folder: Path, port: int) -> Path:
    return folder / f"woken-after-{port}.json"


def _is_awake(port: int) -> bool:
    """One that does not answer takes no memory yet."""
    try:
        status, body = _ask("GET", port, "/is_sleeping")
        return status == http.client.OK and not json.loads(body)["is_sleeping"]
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return False


def _fall_asleep(port: int, level: int) -> None:
    _change(port, f"/sleep?level={level}&mode=wait")


def _wake_up(port: int, level: int) -> None:
    if level == 1:
        _change(port, "/wake_up")
        return
    _change(port, "/wake_up?tags=weights")
    _change(port, "/collective_rpc", b'{"method":"reload_weights"}')
    _change(port, "/wake_up?tags=kv_cache")


def _change(port: int, path: str, body: bytes = b"") -> None:
    status, answer = _ask("POST", port, path, body, seconds=CHANGE_SECONDS)
    if status != http.client.OK:
        raise OSError(f"{path} on {port} answered {status}: {answer.decode(errors='replace')}")


def _ask(method: str, port: int, path: str, body: bytes = b"", *, seconds: float = ASK_SECONDS) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('VLLM_API_KEY', '')}"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def main(words: list[str]) -> int:
    command, port, level, *rest = words
    cut = rest.index("--") if "--" in rest else len(rest)
    others = [int(other) for other in rest[:cut]]
    if command == "started":
        return 0 if started(int(port), int(level), others) else 1
    clear(int(port), int(level), others)
    os.environ.pop("PYTHONPATH", None)  # it was for this module
    return os.execvp(rest[cut + 1], rest[cut + 1 :])  # noqa: S606  (the engine takes this process's place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
