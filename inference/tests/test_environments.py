"""Engines' environments: shared between platforms, built by one at a time, and what is said meanwhile."""

import asyncio
import sys
from pathlib import Path

import pytest

from inference.environments import install
from inference.environments.install import alone, run_with_progress
from inference.selection import engine_home


def test_platforms_can_share_their_engines(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert engine_home(own, {}) == own
    assert engine_home(own, {"ARTEMIS_ENGINES_HOME": str(tmp_path)}) == tmp_path


async def test_who_waits_for_a_neighbours_installation_says_so_and_can_be_stopped(tmp_path: Path) -> None:
    said: list[str] = []

    async def install_too() -> None:
        async with alone(tmp_path, "vllm-cpu", said.append):
            raise AssertionError("both build it")

    async with alone(tmp_path, "vllm-cpu", said.append):
        second = asyncio.create_task(install_too())
        await asyncio.sleep(0.5)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(second, 1)
    assert said == ["vllm-cpu: another process is installing it; waiting"]


async def test_a_long_silence_is_broken_and_bars_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "HEARTBEAT_SECONDS", 0.2)
    said: list[str] = []
    program = r"import time; print('Loading:  50%|##  | 1/2 [00:00<00:01, 1.2it/s]\rdone', flush=True); time.sleep(0.7)"
    await run_with_progress([sys.executable, "-c", program], progress=said.append)

    assert said[0] == "done" or said[0].startswith("…")
    assert "done" in said
    assert said[-1].startswith("… still at it after ")
