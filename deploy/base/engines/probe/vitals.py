"""Whether an engine makes progress, by what it says of itself at one look after another."""

from dataclasses import dataclass, replace

STUCK_SECONDS = 60.0  # without one token while requests run: longer than the longest prompt takes to read
SLOW_SECONDS = 120.0
SLOW_SHARE = 0.15  # of the usual tokens a second for each request that runs
LEARNT_LOOKS = 12  # until what is usual is known
MEMORY = 0.05  # share of the newest look in what is usual; more of the first ones


@dataclass(frozen=True, slots=True)
class Vitals:
    """`at`: seconds since 1970. `output`: tokens since the process began. `usual`: tokens a second and request."""

    at: float
    running: int
    output: int
    usual: float = 0.0
    looks: int = 0
    stuck_since: float | None = None
    slow_since: float | None = None

    @property
    def complaint(self) -> str:
        """Why no more requests should go there; empty where all is well."""
        if self.stuck_since is not None and self.at - self.stuck_since >= STUCK_SECONDS:
            return f"No token in {self.at - self.stuck_since:.0f} s while {self.running} requests run."
        if self.slow_since is not None and self.at - self.slow_since >= SLOW_SECONDS:
            return f"For {self.at - self.slow_since:.0f} s less than {SLOW_SHARE:.0%} of its usual speed."
        return ""


def tells_progress(page: str) -> bool:
    """Whether these /metrics count each token as it is made: vLLM's do, llama.cpp's count an answer at its end."""
    return "vllm:generation_tokens_total" in page


def observed(before: Vitals | None, *, at: float, running: int, output: int) -> Vitals:
    """What is known after this look. A counter that fell is of a new process, of which nothing is known."""
    if before is None or output < before.output or at <= before.at:
        return Vitals(at, running, output)
    now = replace(before, at=at, running=running, output=output)
    if not (running and before.running):
        return replace(now, stuck_since=None, slow_since=None)
    made = output - before.output
    if not made:
        return replace(now, stuck_since=before.stuck_since or before.at)
    speed = made / (at - before.at) / ((running + before.running) / 2)
    if before.looks >= LEARNT_LOOKS and speed < SLOW_SHARE * before.usual:
        return replace(now, stuck_since=None, slow_since=before.slow_since or before.at)
    usual = before.usual + max(MEMORY, 1 / (before.looks + 1)) * (speed - before.usual)
    return replace(now, usual=usual, looks=before.looks + 1, stuck_since=None, slow_since=None)
