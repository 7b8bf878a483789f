"""`make run`'s supervisor: says why it cannot start, restarts what dies, leaves nothing behind, finds its data."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from artemis_site.tests.platform import MODEL, Platform
from deploy.local import redis
from deploy.local.platform import ROOT, only_one
from deploy.local.ports import free_port


@pytest.fixture(scope="module")
def beside(running_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A second copy, in a home of its own, in front of the same engines."""
    home = tmp_path_factory.mktemp("beside")
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o711)
    one = running_platform
    platform = Platform(home, free_port(), one.primary, one.second, one.claude)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


def start_and_fail(home: Path, **environment: str) -> str:
    """What it says as it gives up."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local"],
        cwd=ROOT,
        env={**os.environ, "ARTEMIS_HOME": str(home), "ARTEMIS_PORT": str(free_port()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Artemis could not start." in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_taken_port_is_told(running_platform: Platform, tmp_path: Path) -> None:
    port = str(running_platform.port)
    said = start_and_fail(tmp_path, ARTEMIS_PORT=port)
    assert f"Port {port} is taken." in said
    assert "ARTEMIS_PORT" in said


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"MODELS_FILE": "/no/such.yaml"}, "there is no file /no/such.yaml"),
        ({"ENGINE": "abacus"}, "unknown engine 'abacus'; valid names:"),
        ({"EMBEDDING_ENGINE": "abacus"}, "unknown engine 'abacus'; valid names:"),
        ({"ENGINE": "none", "EMBEDDING_ENGINE": "none"}, "MODELS_FILE must name a LiteLLM YAML"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, environment: dict[str, str], reason: str) -> None:
    assert reason in start_and_fail(tmp_path, **environment)


def test_a_second_start_in_the_same_home_is_refused(running_platform: Platform) -> None:
    assert "is running already" in start_and_fail(running_platform.home)


def test_a_catalog_that_is_not_understood_is_told_and_nothing_stays_behind(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o711)
    file = tmp_path / "models.yaml"
    file.write_text("model_list: []\nguardrails: []\n")
    said = start_and_fail(
        tmp_path, MODELS_FILE=str(file), ENGINE="none", EMBEDDING_ENGINE="none", DATABASE_URL="", REDIS_URL=""
    )
    assert "The setting guardrails is not understood" in said
    assert processes_of(tmp_path) == {}


def test_two_copies_run_side_by_side(running_platform: Platform, beside: Platform) -> None:
    assert answers(running_platform)
    assert answers(beside)
    with pytest.raises(AssertionError):  # their keys are not each other's
        assert answers(beside, running_platform.api_key)


@pytest.mark.parametrize(("what", "sign"), [("gunicorn", "worker"), ("gunicorn", "master"), ("valkey", "master")])
def test_what_dies_is_started_again(beside: Platform, what: str, sign: str) -> None:
    pids = [pid for pid, command in processes_of(beside.home).items() if what in command]
    parents = {pid: parent_of(pid) for pid in pids}
    masters = [pid for pid in pids if parents[pid] not in pids]
    victim = masters[0] if sign == "master" else next(pid for pid in pids if pid not in masters)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in processes_of(beside.home))
    wait_for(lambda: what_runs(beside, what) >= len(pids), seconds=30)
    wait_for(lambda: answers(beside), seconds=30)


def test_a_stop_leaves_no_process_and_a_start_finds_everything_again(beside: Platform) -> None:
    key = beside.create_key()
    assert answers(beside, key["key"])
    before = beside.settled_usage(key["id"], requests=1)
    assert processes_of(beside.home)

    began = time.monotonic()
    assert beside.stop() == 0
    assert time.monotonic() - began < 20
    assert processes_of(beside.home) == {}
    first = beside.facts
    began = time.monotonic()
    beside.start()

    assert time.monotonic() - began < 30
    assert beside.facts["api_key"] == first["api_key"]
    assert (beside.facts["model"], beside.facts["embedding_model"]) == ("claude-haiku-4-5", "moon-embed")
    assert answers(beside)
    assert answers(beside, key["key"])
    after = beside.settled_usage(key["id"], requests=2)
    assert after["cost_nano_usd"] == 2 * before["cost_nano_usd"]


def test_a_stop_settles_the_streams_that_are_still_open(beside: Platform) -> None:
    key = beside.create_key()
    beside.primary.script(tokens_per_second=2, output_tokens=60, times=1)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 60, "stream": True}
    headers = {"Authorization": f"Bearer {key['key']}"}
    url = f"{beside.base_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as answer:
        events = answer.iter_lines()
        assert "token" in next(line for line in events if "token" in line)
        assert beside.stop() == 0
        with contextlib.suppress(httpx.RemoteProtocolError):
            assert "data: [DONE]" not in list(events)
    beside.start()
    used = beside.settled_usage(key["id"], requests=1)
    assert 0 < used["output_tokens"] < 60


def test_what_only_its_owner_may_read(beside: Platform) -> None:
    given = {"models.yaml", "run.log"}  # the test's own
    open_to_others = [
        str(path.relative_to(beside.home))
        for path in beside.home.rglob("*")
        if path.name not in given and not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert {path.name for path in beside.home.iterdir()} >= {"quickstart.json", "state.json", "redis", "logs"}
    assert open_to_others == []


def test_folders_that_an_earlier_version_left_open_are_shut(tmp_path: Path) -> None:
    for name in ("redis", "logs", "mail"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    with only_one(tmp_path):
        redis.command(tmp_path / "redis", port=free_port(), password="secret")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("redis", "logs", "mail")] == [0o700] * 3


def answers(platform: Platform, key: str | None = None) -> bool:
    try:
        answer = platform.post(
            "/v1/chat/completions",
            api_key=key,
            json={"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2},
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def what_runs(platform: Platform, what: str) -> int:
    return sum(what in command for command in processes_of(platform.home).values())


def processes_of(home: Path) -> dict[int, str]:
    """Command lines of the living processes that were started for a home, by pid."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
            works_in = (folder / "cwd").readlink()
        except OSError:
            continue
        # Valkey writes its title over its environment; it works in the home.
        ours = f"ARTEMIS_HOME={home}\0".encode() in environment or works_in.is_relative_to(home)
        if ours and command:
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was awaited did not happen"
        time.sleep(0.05)
