"""Which limits and budgets a call comes under, and of whom: its key's, its project's, its account's, its end user's
within that account, and the model's for that account."""

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote

from django.conf import settings

from apps.common.limits import RateLimits
from apps.gateway.contracts import Call
from apps.gateway.estimate import Estimate
from apps.keys.contracts import KeyFacts

MINUTE_MS, DAY_MS = 60_000, 86_400_000
MOST_KNOWN = 20_000
TOTAL = "total"
OWNERS = {
    "key": "key",
    "project": "project",
    "account": "account",
    "user": "end user",
    "model": "account for this model",
}


Rate = tuple[str, str, int, int]
Budget = tuple[str, str, int | None]


def owner_of(scope: str) -> str:
    """Whose a limit is, in words."""
    return OWNERS[scope.partition(":")[0]]


def scope_of_user(account_id: int, end_user: str) -> str:
    """An end user is a caller's own text: its hash names it, whatever it says."""
    return f"user:{account_id}:{hashlib.blake2b(end_user.encode(), digest_size=12).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a call comes under. Rates: (scope, what, period in ms, limit); `budgets`: (scope, period, nano-dollars).

    `words` is all of that as lua/admit.lua reads it, `words_of_check` without the requests at once and `words_of_run`
    without the requests a minute; `scopes` is the end of a hold's record as lua/hold.lua reads it.
    """

    rates: tuple[Rate, ...]
    parallels: tuple[tuple[str, int], ...]
    budgets: tuple[Budget, ...]
    words: tuple[Any, ...]
    scopes: str

    @property
    def words_of_check(self) -> tuple[Any, ...]:
        return _words(self.rates, (), self.budgets)

    @property
    def words_of_run(self) -> tuple[Any, ...]:
        return _words(tuple(rate for rate in self.rates if rate[1] != "requests"), self.parallels, self.budgets)

    def record(self, estimate: Estimate) -> str:
        """A hold as lua/hold.lua reads it."""
        return f"{estimate.hold} {estimate.tokens} {self.scopes}"

    def least(self, what: str) -> int:
        """The lowest of these limits, whosever it is."""
        return min(rate[3] for rate in self.rates if rate[1] == what)


def hold_of(record: str) -> int:
    """Nano-dollars."""
    return int(record.partition(" ")[0])


_known: dict[int, tuple[KeyFacts, str, Admission]] = {}  # by key_id


def scopes_of(key: KeyFacts) -> tuple[str, str, str]:
    """Who pays: each has a budget, or could have one."""
    return f"key:{key.key_id}", f"project:{key.project_id}", f"account:{key.account_id}"


def admission_of(call: Call, month: str) -> Admission:
    """Of one key nearly always the same: made anew when the key changes, the month does, or the call has its own."""
    key, users_limits = call.key, call.key.end_user_limits if call.end_user else None
    if users_limits or call.model.limits:
        limited = _limited(key)
        if users_limits:
            limited.append((scope_of_user(key.account_id, call.end_user), users_limits))
        if call.model.limits:
            name = quote(call.model.public_name, safe="")
            limited.append((f"model:{key.account_id}:{name}", call.model.limits))
        return _admission(key, month, limited)
    known = _known.get(key.key_id)
    if known is not None and known[0] is key and known[1] == month:
        return known[2]
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    admission = _admission(key, month, _limited(key))
    _known[key.key_id] = key, month, admission
    return admission


def _admission(key: KeyFacts, month: str, limited: list[tuple[str, RateLimits]]) -> Admission:
    rates = _rates(limited)
    parallels = tuple((scope, limits.parallel) for scope, limits in limited if limits.parallel)
    budgets = _budgets(key, month)
    reserved = ",".join(
        f"art:rate:{what}:{scope}={limit}={period}" for scope, what, period, limit in rates if what != "requests"
    )
    opens = ",".join(scope for scope, _ in parallels)
    scopes = f"{','.join(scopes_of(key))} {reserved or '-'} {opens}"
    return Admission(rates, parallels, budgets, _words(rates, parallels, budgets), scopes)


def _words(
    rates: tuple[Rate, ...], parallels: tuple[tuple[str, int], ...], budgets: tuple[Budget, ...]
) -> tuple[Any, ...]:
    sums = [(scope, period, "" if budget is None else budget) for scope, period, budget in budgets]
    return (*rate_words(rates), len(parallels), *chain(*parallels), len(sums), *chain(*sums))


def _budgets(key: KeyFacts, month: str) -> tuple[Budget, ...]:
    own, project, account = scopes_of(key)
    policy = key.policy
    totals = (
        (own, TOTAL, _limit(policy.total_budget, policy.budget_is_hard)),
        (project, TOTAL, _limit(key.project_total_budget, key.project_budget_is_hard)),
        (account, TOTAL, _least(_limit(key.account_total_budget, key.account_budget_is_hard), key.account_credit)),
    )
    return (
        (own, month, _limit(policy.monthly_budget, policy.budget_is_hard)),
        (project, month, _limit(key.project_budget, key.project_budget_is_hard)),
        (account, month, _limit(key.account_budget, key.account_budget_is_hard)),
        *(total for total in totals if total[2] is not None),
    )


def _least(budget: int | None, credit: int | None) -> int | None:
    """An account's credit is what it may use in all, by the ledger: a budget of its own kind."""
    return min((limit for limit in (budget, credit) if limit is not None), default=None)


def is_by_credit(key: KeyFacts, scope: str, period: str) -> bool:
    """Whether it is the credit that a refusal by this budget is about."""
    limit = _limit(key.account_total_budget, key.account_budget_is_hard)
    return (
        (scope, period) == (f"account:{key.account_id}", TOTAL)
        and key.account_credit is not None
        and (limit is None or key.account_credit <= limit)
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


def _rates(limited: list[tuple[str, RateLimits]]) -> tuple[Rate, ...]:
    found = [
        rate
        for scope, limits in limited
        for rate in (
            (scope, "requests", MINUTE_MS, limits.rpm),
            (scope, "tokens", MINUTE_MS, limits.tpm),
            (scope, "day", DAY_MS, limits.tpd),
        )
    ]
    return tuple((scope, what, period, limit) for scope, what, period, limit in found if limit)


def key_rates(key: KeyFacts) -> tuple[Rate, ...]:
    """Of an answer that needs no admission: what its headers tell of."""
    return _rates(_limited(key))


def rate_words(rates: tuple[Rate, ...]) -> list[Any]:
    """Rates as lua/hold.lua reads them."""
    return [len(rates), *chain(*rates)]


def _limited(key: KeyFacts) -> list[tuple[str, RateLimits]]:
    """The scopes that every call of a key comes under, with their limits."""
    return list(zip(scopes_of(key), (key_limits(key), key.project_limits, key.account_limits), strict=True))
