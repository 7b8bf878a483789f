"""Which limits and budgets a call comes under, and of whom: its key's, its project's, its account's, its end user's
within that account, and the model's for that account."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings

from apps.common.limits import RateLimits
from apps.gateway.contracts import Call
from apps.gateway.estimate import Estimate
from apps.keys.contracts import KeyFacts

MINUTE_MS, DAY_MS = 60_000, 86_400_000
TOTAL = "total"
OWNERS = {
    "key": "key",
    "project": "project",
    "account": "account",
    "user": "end user",
    "model": "account for this model",
}


def owner_of(scope: str) -> str:
    """Whose a limit is, in words."""
    return OWNERS[scope.partition(":")[0]]


def scope_of_user(account_id: int, end_user: str) -> str:
    """An end user is a caller's own text: its hash names it, whatever it says."""
    return f"user:{account_id}:{hashlib.blake2b(end_user.encode(), digest_size=12).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a call comes under. Rates: (scope, what, period in ms, limit); `budgets`: (scope, period, nano-dollars)."""

    rates: tuple[tuple[str, str, int, int], ...]
    parallels: tuple[tuple[str, int], ...]
    budgets: tuple[tuple[str, str, int | None], ...]

    def rate_words(self, tokens: int) -> list[Any]:
        """The rates as the scripts read them, for a request of so many tokens."""
        words: list[Any] = [len(self.rates)]
        for rate in self.rates:
            words += (*rate, 1 if rate[1] == "requests" else tokens)
        return words

    def words(self, tokens: int) -> list[Any]:
        words = self.rate_words(tokens)
        words.append(len(self.parallels))
        for parallel in self.parallels:
            words += parallel
        words.append(len(self.budgets))
        for scope, period, budget in self.budgets:
            words += (scope, period, "" if budget is None else budget)
        return words

    def record(self, call: Call, estimate: Estimate) -> str:
        """A hold as lua/hold.lua reads it."""
        rates = ",".join(
            f"art:rate:{what}:{scope}={limit}={period}"
            for scope, what, period, limit in self.rates
            if what != "requests"
        )
        opens = ",".join(scope for scope, _ in self.parallels)
        return f"{estimate.hold} {estimate.tokens} {','.join(scopes_of(call.key))} {rates or '-'} {opens}"

    def least(self, what: str) -> int:
        """The lowest of these limits, whosever it is."""
        return min(rate[3] for rate in self.rates if rate[1] == what)


def scopes_of(key: KeyFacts) -> tuple[str, str, str]:
    """Who pays: each has a budget, or could have one."""
    return f"key:{key.key_id}", f"project:{key.project_id}", f"account:{key.account_id}"


def admission_of(call: Call, month: str) -> Admission:
    key = call.key
    own, project, account = scopes_of(key)
    limited = _limited(key)
    if call.end_user and key.end_user_limits:
        limited.append((scope_of_user(key.account_id, call.end_user), key.end_user_limits))
    if call.model.limits:
        name = quote(call.model.public_name, safe="")
        limited.append((f"model:{key.account_id}:{name}", call.model.limits))
    policy = key.policy
    budgets: list[tuple[str, str, int | None]] = [
        (own, month, _limit(policy.monthly_budget, policy.budget_is_hard)),
        (project, month, _limit(key.project_budget, key.project_budget_is_hard)),
        (account, month, _limit(key.account_budget, key.account_budget_is_hard)),
    ]
    totals = (
        (own, TOTAL, _limit(policy.total_budget, policy.budget_is_hard)),
        (project, TOTAL, _limit(key.project_total_budget, key.project_budget_is_hard)),
        (account, TOTAL, _limit(key.account_total_budget, key.account_budget_is_hard)),
    )
    return Admission(
        rates=tuple(rate for scope, limits in limited for rate in _rates(scope, limits)),
        parallels=tuple((scope, limits.parallel) for scope, limits in limited if limits.parallel),
        budgets=(*budgets, *(total for total in totals if total[2] is not None)),
    )


def _limit(budget: int | None, is_hard: bool) -> int | None:
    """A budget that only warns limits nothing; what it counts is counted all the same."""
    return budget if is_hard else None


def key_limits(key: KeyFacts) -> RateLimits:
    """A key's limits with the platform's defaults filled in."""
    policy = key.policy
    return RateLimits(
        rpm=policy.rpm_limit or settings.GATEWAY_DEFAULT_RPM,
        tpm=policy.tpm_limit or settings.GATEWAY_DEFAULT_TPM,
        tpd=policy.tpd_limit,
        parallel=policy.parallel_limit or settings.GATEWAY_DEFAULT_PARALLEL,
    )


def _rates(scope: str, limits: RateLimits) -> list[tuple[str, str, int, int]]:
    found = (
        (scope, "requests", MINUTE_MS, limits.rpm),
        (scope, "tokens", MINUTE_MS, limits.tpm),
        (scope, "day", DAY_MS, limits.tpd),
    )
    return [(scope, what, period, limit) for scope, what, period, limit in found if limit]


def key_rates(key: KeyFacts) -> Admission:
    """Of an answer that needs no admission: what its headers tell of."""
    return Admission(tuple(rate for scope, limits in _limited(key) for rate in _rates(scope, limits)), (), ())


def _limited(key: KeyFacts) -> list[tuple[str, RateLimits]]:
    """The scopes that every call of a key comes under, with their limits."""
    return list(zip(scopes_of(key), (key_limits(key), key.project_limits, key.account_limits), strict=True))
