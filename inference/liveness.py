"""A probe for the supervisor: whether an engine answers, and makes tokens while requests run."""

import time
from dataclasses import dataclass, field

from inference.probes import http_get
from inference.progress import Progress, looked
from inference.vitals import STUCK_SECONDS

ASK_SECONDS = 5.0


@dataclass
class MakesProgress:
    """`await makes_progress()`: not once it has made nothing for `stuck_seconds`, or told nothing for `silent_seconds`:
    longer, since llama.cpp tells nothing while it reads a long prompt."""

    base_url: str
    api_key: str | None
    stuck_seconds: float = STUCK_SECONDS
    silent_seconds: float = 3 * STUCK_SECONDS
    progress: Progress = field(default_factory=Progress)

    async def __call__(self) -> bool:
        now = time.time()
        self.progress = looked(self.progress, await self._page(), at=now)
        if self.progress.is_well(now, stuck_seconds=self.stuck_seconds, silent_seconds=self.silent_seconds):
            return True
        if self.progress.silent_since is None:
            self.progress = Progress()  # of the next process nothing is known
        return False

    async def _page(self) -> str | None:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else None
        try:
            answer = await http_get(f"{self.base_url}/metrics", headers=headers, timeout=ASK_SECONDS)
        except (OSError, TimeoutError):
            return None
        return answer.body.decode(errors="replace")
