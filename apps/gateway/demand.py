"""Calls under way by the model that they ask for, whichever deployment answers: what an autoscaler goes by.

A model without an engine has no engine's queue to look at; calls that wait for one, or that Claude answers meanwhile,
count here all the same. What is told is the most there were at once in the last half minute or more, since Prometheus
looks four times a minute and a call may be shorter.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping

PEAK_SECONDS = 30.0


class Demand:
    """Of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[str, str] = {}  # request id → model
        self._now: Counter[str] = Counter()
        self._peak: dict[str, int] = {}
        self._peak_before: dict[str, int] = {}
        self._turned_at = clock()

    def began(self, request_id: str, model: str) -> None:
        self._asked[request_id] = model
        self._now[model] += 1
        self._peak[model] = max(self._peak.get(model, 0), self._now[model])

    def ended(self, request_id: str) -> None:
        """Of a call that has not begun, or has ended, nothing changes."""
        model = self._asked.pop(request_id, None)
        if model is not None:
            self._now[model] -= 1
            if not self._now[model]:
                del self._now[model]

    def peaks(self) -> Mapping[str, int]:
        """Without the models that nobody asked for in this time. To be called every few seconds."""
        if self._clock() - self._turned_at >= PEAK_SECONDS:
            self._turned_at = self._clock()
            self._peak_before, self._peak = self._peak, dict(self._now)
        models = self._peak.keys() | self._peak_before.keys()
        return {model: max(self._peak.get(model, 0), self._peak_before.get(model, 0)) for model in models}
