"""Brings an engine up: environment, model, process, readiness; keeps it up until it is told to stop."""

import asyncio
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import inference
from inference.environments.install import (
    HEARTBEAT_SECONDS,
    InstallError,
    Progress,
    alone,
    environment_python,
    install,
    named,
    run_with_progress,
)
from inference.liveness import MakesProgress
from inference.probes import http_get, http_ready
from inference.process import ManagedProcess, ProcessError, ProcessSpec, Report
from inference.profiles import EngineProfile, Launch

PACKAGE_PARENT = Path(inference.__file__).parent.parent
# What an engine may inherit of our environment: none of the platform's secrets.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "XDG_CACHE_HOME",
)
INHERITED_PREFIXES = ("CUDA_", "NVIDIA_", "NCCL_", "OMP_", "HF_", "HUGGING", "VLLM_")


# What vLLM puts before each line of its log: process, level, time, file.
_CLUTTER = re.compile(r"^(\([\w ]+ pid=\d+\) )?([A-Z]+ [\d-]+ [\d:]+ )?(\[[\w./]+:\d+\] )?\s*")


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    profile: EngineProfile
    base_url: str
    """Without /v1."""
    api_key: str | None
    process: ManagedProcess

    async def stop(self, grace_seconds: float = 15.0) -> None:
        await self.process.stop(grace_seconds)


async def prepare(profile: EngineProfile, *, home: Path, progress: Progress) -> Path:
    """Install and convert what is not there yet; returns the environment's Python."""
    python = await install(profile.environment, home=home, progress=progress)
    step = profile.preparation
    folder = model_folder(profile, home)
    if step is not None and not (folder / "config.json").is_file():
        async with alone(home, profile.environment, progress):
            progress(f"{profile.name}: converting the model {profile.model} (only once, about a minute)")
            command = [str(python), "-m", step.module, *(word.format(target=folder) for word in step.arguments)]
            env = _environ(profile, api_key=None)
            await run_with_progress(command, env=env, progress=named(profile.name, progress))
    return python


async def launch(
    profile: EngineProfile,
    *,
    home: Path,
    port: int,
    progress: Progress,
    host: str = "127.0.0.1",
    api_key: str | None = None,
    threads: int | None = None,
    log_path: Path | None = None,
    report: Report | None = None,
) -> Engine:
    """Bring the engine up and wait until it lists its model; after that, crashes restart it with back-off.

    Raises ProcessError (with the log's last lines) or InstallError. `report` hears of crashes and restarts.
    """
    home = home.resolve()
    await prepare(profile, home=home, progress=progress)
    base_url = f"http://{host}:{port}"
    where = _place(profile, home=home, host=host, port=port, threads=threads)
    process = ManagedProcess(
        ProcessSpec(
            name=f"engine {profile.name}",
            argv=profile.command(profile, where),
            env=_environ(profile, api_key=api_key),
            cwd=home,
            log_path=log_path or home / "logs" / f"engine-{profile.name}.log",
            ready=http_ready(f"{base_url}/health"),
            ready_timeout=profile.startup_seconds,
            alive=MakesProgress(base_url, api_key),
            signal_group=False,  # vLLM takes its workers down itself, in order
        ),
        report=report,
    )
    patience = f", which can take {profile.usual_start}" if profile.usual_start else ""
    progress(f"{profile.name}: starting the engine with the model {profile.model}{patience}")
    await process.start()
    try:
        await _wait_ready(process, named(profile.name, progress))
        await _check_model(profile, base_url, api_key)
    except BaseException:
        await process.stop(grace_seconds=2.0)
        raise
    progress(f"{profile.name}: the engine answers at {base_url}")
    return Engine(profile=profile, base_url=base_url, api_key=api_key, process=process)


def become(
    profile: EngineProfile,
    *,
    home: Path,
    host: str,
    port: int,
    api_key: str | None = None,
    threads: int | None = None,
) -> NoReturn:
    """This process goes on as the engine. Raises InstallError where the engine was not installed before."""
    where = _place(profile, home=home.resolve(), host=host, port=port, threads=threads)
    if not where.python.is_file() or (profile.preparation and not (where.model_folder / "config.json").is_file()):
        raise InstallError(f"{profile.name} is not installed in {home}: python -m inference install {profile.name}")
    argv = profile.command(profile, where)
    os.execve(argv[0], argv, _environ(profile, api_key=api_key))  # noqa: S606


def _place(profile: EngineProfile, *, home: Path, host: str, port: int, threads: int | None = None) -> Launch:
    return Launch(
        python=environment_python(home, profile.environment),
        host=host,
        port=port,
        model_folder=model_folder(profile, home),
        threads=threads or os.cpu_count() or 2,
    )


def model_folder(profile: EngineProfile, home: Path) -> Path:
    return home / "models" / (profile.preparation.folder if profile.preparation else profile.model)


async def _wait_ready(process: ManagedProcess, progress: Progress) -> None:
    """With a sign of life and the engine's own last word, since a large model takes its minutes."""
    waiting = asyncio.ensure_future(process.wait_ready())
    began = time.monotonic()
    try:
        while not (await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS))[0]:
            last = _CLUTTER.sub("", process.log_tail().rpartition("\n")[2])
            progress(f"… starting for {time.monotonic() - began:.0f} s; its last word: {last[:80] or 'none yet'}")
        await waiting
    finally:
        waiting.cancel()


async def _check_model(profile: EngineProfile, base_url: str, api_key: str | None) -> None:
    """/health may be a neighbour's, on a port that was taken: only the model's name proves our engine."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    answer = await http_get(f"{base_url}/v1/models", headers=headers, timeout=10.0)
    served = [card["id"] for card in json.loads(answer.body)["data"]] if answer.status == 200 else []
    if profile.model not in served:
        raise ProcessError(f"{base_url}/v1/models says {answer.status} and lists {served}, not {profile.model}")


def _environ(profile: EngineProfile, *, api_key: str | None) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if _may_inherit(name)}
    env |= {"PYTHONPATH": str(PACKAGE_PARENT), "PYTHONUNBUFFERED": "1", **profile.environ}
    if api_key:  # in the environment, not in the arguments: those are visible to everyone on the machine
        env |= {"ARTEMIS_ENGINE_KEY": api_key, "VLLM_API_KEY": api_key}
    return env


def _may_inherit(name: str) -> bool:
    return name in INHERITED or name.startswith(INHERITED_PREFIXES)
