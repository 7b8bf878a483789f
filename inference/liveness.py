"""A probe for the supervisor: whether an engine answers, and makes tokens while requests run."""

import time
from dataclasses import dataclass

from inference.counters import parse_token_counters
from inference.load import parse_metrics
from inference.probes import http_get
from inference.vitals import STUCK_SECONDS, Vitals, observed, tells_progress

ASK_SECONDS = 5.0


@dataclass
class MakesProgress:
    """`await makes_progress()`: not once it has made nothing for `stuck_seconds`, or told nothing for `silent_seconds`:
    longer, since llama.cpp tells nothing while it reads a long prompt."""

    base_url: str
    api_key: str | None
    stuck_seconds: float = STUCK_SECONDS
    silent_seconds: float = 3 * STUCK_SECONDS
    vitals: Vitals | None = None
    silent_since: float | None = None

    async def __call__(self) -> bool:
        now = time.time()
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else None
        try:
            answer = await http_get(f"{self.base_url}/metrics", headers=headers, timeout=ASK_SECONDS)
        except (OSError, TimeoutError):
            self.silent_since = self.silent_since or now
            return now - self.silent_since < self.silent_seconds
        self.silent_since = None
        page = answer.body.decode(errors="replace")
        load, counters = parse_metrics(page), parse_token_counters(page)
        if load is None or counters is None or not tells_progress(page):
            return True
        self.vitals = observed(self.vitals, at=now, running=load.running, output=counters.output)
        if self.vitals.stuck_since is not None and now - self.vitals.stuck_since >= self.stuck_seconds:
            self.vitals = None  # of the next process nothing is known
            return False
        return True
