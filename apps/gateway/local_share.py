"""Admits while Redis is away: each gateway process lets through a bounded share of what each key may do.

Only for keys that Redis itself has admitted within the last hour; nobody else can be told good from bad. Shares are
small enough that all processes together stay within the limits, so that nothing is overspent: with a share of a tenth,
up to ten processes. What is admitted here settles like everything else, into the spool, and counts once Redis is back.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from apps.common.errors import Unavailable
from apps.gateway.contracts import Call, RateState
from apps.gateway.estimate import Estimate
from apps.gateway.limits import Admission

MINUTE = 60.0
GOOD_SECONDS = 3600.0
MOST_KEYS = 20_000


class NotAdmitted(Unavailable):
    """Neither by Redis nor here."""


AWAY = "The gateway cannot check limits at the moment; try again shortly."


@dataclass(slots=True)
class _Known:
    """A key that Redis admitted. `free`: nano-dollars of its budgets that were left then; None: it has none.

    `requests_full` and `tokens_full` are the moments at which the local buckets are full again, as in admit.lua.
    """

    seen: float
    free: int | None
    requests_full: float = 0.0
    tokens_full: float = 0.0
    spent: int = 0
    open: dict[str, int] = field(default_factory=dict)


class LocalShare:
    def __init__(self, share: float) -> None:
        self._share = share
        self._known: OrderedDict[int, _Known] = OrderedDict()

    def note(self, key_id: int, free: int | None) -> None:
        """Redis has admitted the key. What it was given here before is by now settled, or will be."""
        known = self._known.get(key_id)
        if known is None:
            known = self._known[key_id] = _Known(0.0, None)
            if len(self._known) > MOST_KEYS:
                self._known.popitem(last=False)
        known.seen, known.free, known.spent = time.monotonic(), free, 0

    def admit(self, call: Call, estimate: Estimate, limits: Admission) -> RateState:
        """By the lowest of the limits that the call comes under, whosever they are.

        Raises NotAdmitted where the share is used up, or the key is not known to be good.
        """
        now = time.monotonic()
        rpm, tpm = limits.least("requests"), limits.least("tokens")
        parallel = min(limit for _, limit in limits.parallels)
        known = self._known.get(call.key.key_id)
        if known is None or now - known.seen > GOOD_SECONDS:
            raise NotAdmitted(AWAY, retry_after=2)
        requests = max(now, known.requests_full) + MINUTE / (rpm * self._share)
        tokens = max(now, known.tokens_full) + estimate.tokens * MINUTE / (tpm * self._share)
        burst = max(MINUTE, MINUTE / (rpm * self._share)) + 0.001  # one passes, however small the share
        if requests - now > burst or tokens - now > MINUTE + 0.001:
            raise NotAdmitted(AWAY, retry_after=min(MINUTE, max(1.0, requests - now - burst)))
        if len(known.open) >= max(1, int(parallel * self._share)):
            raise NotAdmitted(AWAY, retry_after=1)
        if known.free is not None:
            held = sum(known.open.values())
            if known.spent + held + estimate.hold > known.free * self._share:
                raise NotAdmitted(AWAY, retry_after=5)
        known.requests_full, known.tokens_full = requests, tokens
        known.open[call.request_id] = estimate.hold
        return RateState(
            limit_requests=rpm,
            remaining_requests=max(0, int((burst - (requests - now)) * rpm * self._share / MINUTE)),
            reset_requests=requests - now,
            limit_tokens=tpm,
            remaining_tokens=max(0, int((MINUTE - (tokens - now)) * tpm * self._share / MINUTE)),
            reset_tokens=tokens - now,
        )

    def ended(self, key_id: int, request_id: str, cost: int) -> None:
        """A request has been settled, wherever it was admitted."""
        known = self._known.get(key_id)
        if known is not None and known.open.pop(request_id, None) is not None:
            known.spent += cost
