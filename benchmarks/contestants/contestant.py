"""What a contestant is: a gateway that runs, with one worker, in front of the fake engine."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes

MODEL = "bench-model"


class AbsentError(Exception):
    """A contestant that this machine cannot run; the message says why."""


@dataclass(frozen=True)
class Contestant:
    """Where it listens, what it wants to be sent, and the processes whose CPU time and memory are its cost."""

    name: str
    port: int
    pids: list[int]
    others: list[int] = field(default_factory=list)
    """Redis, for Artemis: shown beside, not hidden."""
    token: str = "none"
    model: str = MODEL
    headers: dict[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pids)

    def others_seconds(self) -> float:
        return processes.cpu_seconds(self.others)

    def memory_bytes(self) -> int:
        return processes.memory_bytes(self.pids)


Start = Callable[[Path, int], AbstractContextManager[Contestant]]
"""From a folder for its files and the engine's port to the gateway, up and answering."""
