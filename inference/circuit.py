"""When a deployment is left alone, and how much may be tried again: so that an outage does not multiply itself."""

import time
from collections import deque

WINDOW_SECONDS = 60.0
BUCKET_SECONDS = 5.0
LEAST_SHARE = 0.2  # of failures among a minute's tries; a busy deployment may fail now and then
LONGEST_SECONDS = 20.0
PROBE_SECONDS = 30.0


class Circuit:
    """Of one deployment. Closed: it is asked. Open: it is not, for a while. Then one request probes; its end decides.

    It opens when more than `allowed_fails` tries of the last minute failed, and a fifth of them all; each failed probe
    doubles the wait, up to 20 seconds. `leave_alone` opens it for a stated time: the engine itself said that
    it is full.
    """

    def __init__(self, *, allowed_fails: int, cooldown_time: float) -> None:
        self._allowed_fails = allowed_fails
        self._cooldown = cooldown_time
        self._buckets: deque[list[float]] = deque()  # [begin, tries that went well, failures]
        self._open_until: float | None = None
        self._probing_since: float | None = None
        self._reopened = 0

    def follow(self, *, allowed_fails: int, cooldown_time: float) -> None:
        """From now on by these rules, with all that is known of the deployment."""
        self._allowed_fails = allowed_fails
        self._cooldown = cooldown_time

    def allows(self) -> bool:
        """Whether a request may go there now."""
        if self._open_until is None:
            return True
        now = time.monotonic()
        is_probed = self._probing_since is not None and now - self._probing_since < PROBE_SECONDS
        return now >= self._open_until and not is_probed

    @property
    def is_closed(self) -> bool:
        return self._open_until is None

    @property
    def seconds_left(self) -> float:
        """Until a request may go there again; 0 or less where one may now."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - time.monotonic()
        return left if left > 0 or self.allows() else 1.0

    def began(self) -> None:
        """A request goes there: the probe, where one is due. Others, begun before it opened, decide nothing."""
        now = time.monotonic()
        if self._open_until is not None and now >= self._open_until:
            self._probing_since = now

    def look_again(self) -> None:
        """There is a sign of life: the next request may probe, however long it was to wait."""
        if self._open_until is not None:
            self._open_until = min(self._open_until, time.monotonic())
            self._reopened = 0

    def succeeded(self) -> None:
        if self._open_until is not None:
            self._buckets.clear()
        self._open_until = self._probing_since = None
        self._reopened = 0
        self._bucket()[1] += 1

    def failed(self) -> None:
        self._bucket()[2] += 1
        if self._open_until is not None:
            if self._probing_since is not None:
                self._reopened += 1
                self._open(self._cooldown * 2**self._reopened)
            return
        well, failures = (sum(bucket[place] for bucket in self._buckets) for place in (1, 2))
        if failures > self._allowed_fails and failures >= LEAST_SHARE * (well + failures):
            self._open(self._cooldown)

    def leave_alone(self, seconds: float) -> None:
        self._open(seconds)

    def released(self) -> None:
        """The request ended without telling anything of the deployment: a caller hung up, or was at fault itself."""
        self._probing_since = None

    def _open(self, seconds: float) -> None:
        self._open_until = time.monotonic() + min(seconds, LONGEST_SECONDS)
        self._probing_since = None

    def _bucket(self) -> list[float]:
        now = time.monotonic()
        while self._buckets and self._buckets[0][0] < now - WINDOW_SECONDS:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1][0] < now - BUCKET_SECONDS:
            self._buckets.append([now, 0, 0])
        return self._buckets[-1]


class RetryBudget:
    """Retries on the same deployment as a share of live requests, with a few at hand for quiet times."""

    def __init__(self, *, share: float = 0.2, at_hand: float = 10.0) -> None:
        self._share = share
        self._most = self._left = at_hand

    def earn(self) -> None:
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Whether there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
