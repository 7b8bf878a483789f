"""Whether an engine lives on, by what its /metrics said at one look after another. Standard library only, as
`pod_probe.py`, which runs in engines' own images."""

from dataclasses import dataclass

from inference.counters import parse_token_counters
from inference.load import parse_metrics
from inference.vitals import STUCK_SECONDS, Vitals, observed, tells_progress


@dataclass(frozen=True, slots=True)
class Progress:
    """`silent_since`: when it began to tell nothing."""

    vitals: Vitals | None = None
    silent_since: float | None = None

    def is_well(self, at: float, *, stuck_seconds: float = STUCK_SECONDS, silent_seconds: float) -> bool:
        """Not once it has made nothing for `stuck_seconds` while requests run, or told nothing for `silent_seconds`."""
        if self.silent_since is not None:
            return at - self.silent_since < silent_seconds
        stuck_since = self.vitals.stuck_since if self.vitals else None
        return stuck_since is None or at - stuck_since < stuck_seconds


def looked(before: Progress, page: str | None, *, at: float) -> Progress:
    """What is known after one more look at its /metrics; None where it told nothing."""
    if page is None:
        return Progress(before.vitals, before.silent_since or at)
    load, counters = parse_metrics(page), parse_token_counters(page)
    if load is None or counters is None or not tells_progress(page):
        return Progress()
    return Progress(observed(before.vitals, at=at, running=load.running, output=counters.output))
