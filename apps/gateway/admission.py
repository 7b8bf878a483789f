"""Admits requests and settles them: limits, budgets and holds, each in one atomic call to Redis."""

import asyncio
import hashlib
import logging
import time
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from apps.common.errors import Unavailable
from apps.common.money import format_usd
from apps.common.redis_pipe import FullError, NotSentError, RedisPipe
from apps.common.revisions import CATALOG, account_revision, key_revision
from apps.gateway import telemetry
from apps.gateway.contracts import Call, LimitReached, RateState
from apps.gateway.estimate import Estimate
from apps.gateway.limits import TOTAL, Admission, is_by_credit, key_rates, owner_of, rate_words
from apps.gateway.local_share import LocalShare, NotAdmitted
from apps.keys.contracts import KeyFacts

logger = logging.getLogger(__name__)
WITHDRAWAL_PAUSES = (1, 2, 5, 10, 20, 30)  # seconds
SCRIPTS = Path(__file__).parent / "lua"
STREAM = "art:usage"


class StaleFactsError(Exception):
    """What the gateway holds in memory is older than what is true; `what`: "key", "account" or "catalog"."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class UnseededError(Exception):
    """Redis does not know what a scope ("key:7") spent in a period ("202611", or "total")."""

    def __init__(self, scope: str, period: str) -> None:
        super().__init__(f"{scope} {period}")
        self.scope = scope
        self.period = period


@cache
def script(name: str) -> tuple[str, str]:
    """(SHA-1, text) of a script in lua/, with hold.lua before it."""
    text = "".join((SCRIPTS / f"{part}.lua").read_text() for part in ("hold", name))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text


async def run_script(pipe: RedisPipe, name: str, *arguments: Any) -> Any:
    sha, text = script(name)
    try:
        return await pipe.evalsha(sha, *arguments)
    except NoScriptError:
        return await pipe.eval(text, *arguments)


def month_of(moment: datetime) -> str:
    return f"{moment.year}{moment.month:02d}"


async def admit(
    pipe: RedisPipe, call: Call, estimate: Estimate, limits: Admission, *, catalog_version: int, local: LocalShare
) -> RateState:
    """Reserves what the call may use and holds what it may cost; while Redis is away, of this process's own share.

    Raises LimitExceeded where a limit or budget does not allow it, StaleFactsError and UnseededError where the
    gateway must first read something anew, Unavailable where Redis does not answer.
    """
    record, words = limits.record(estimate), limits.words_of_run if call.counted else limits.words
    try:
        if call.counted:
            await run_script(pipe, "lapse", call.request_id)
        answer = await _asked(pipe, call, estimate, record, words, catalog_version)
    except RedisError as error:
        logger.warning("%s is admitted without Redis, if at all: %s", call.request_id, error)
        try:
            return local.admit(call, estimate, limits)
        except NotAdmitted as refusal:
            if isinstance(error, (NotSentError, FullError)):
                raise
            raise Unavailable(refusal.message, retry_after=refusal.retry_after) from error  # it may yet be admitted
    rates, free = _admitted(answer, call.key, estimate)
    local.note(call.key.key_id, free)
    return rates


async def check(
    pipe: RedisPipe, call: Call, estimate: Estimate, limits: Admission, *, catalog_version: int
) -> RateState | None:
    """Whether the call would be admitted now, but for the number of those at once; it counts as a request a minute,
    and holds nothing.

    Raises as `admit` does, but for what Redis' absence is about: nothing is told then, and `admit` has the last word.
    """
    try:
        answer = await _asked(pipe, call, estimate, "", limits.words_of_check, catalog_version)
    except RedisError:
        return None
    rates, _ = _admitted(answer, call.key, estimate)
    return rates


async def _asked(
    pipe: RedisPipe, call: Call, estimate: Estimate, record: str, words: tuple[Any, ...], catalog_version: int
) -> list[Any]:
    key = call.key
    answer: list[Any] = await run_script(
        pipe,
        "admit",
        call.request_id,
        key_revision(key.public_id),
        key.version,
        account_revision(key.account_id),
        key.account_version,
        CATALOG,
        catalog_version,
        key.key_id,
        estimate.hold,
        settings.GATEWAY_HOLD_LEASE_SECONDS * 1000,
        int(time.time() * 1000),
        record,
        estimate.tokens,
        *words,
    )
    return answer


def _admitted(answer: list[Any], key: KeyFacts, estimate: Estimate) -> tuple[RateState, int | None]:
    """The rates and what is left of the budgets, where the answer is a good one."""
    verdict, scope, detail, *state = answer
    if verdict == b"withdrawn":
        raise Unavailable("The gateway is too slow at the moment; try again shortly.", retry_after=2)
    if verdict == b"stale":
        raise StaleFactsError(scope.decode())
    if verdict == b"unseeded":
        raise UnseededError(scope.decode(), detail.decode())
    rates = _rates(state)
    if verdict != b"ok":
        raise _refusal(key, verdict.decode(), scope.decode(), detail, estimate, rates)
    return rates, None if detail == b"" else int(detail)


async def withdraw(pipe: RedisPipe, request_id: str) -> None:
    """Undoes an admission whose answer was not received: Redis may have run it, or may run it yet."""
    for pause in WITHDRAWAL_PAUSES:
        try:
            await run_script(pipe, "release", request_id)
        except RedisError:
            await asyncio.sleep(pause)
        else:
            return
    logger.error("%s may hold its budget until its lease runs out: Redis is away", request_id)


async def take(pipe: RedisPipe, key: KeyFacts) -> None:
    """Counts a request that asks no engine. Raises LimitReached; while Redis is away, nobody is refused for that."""
    try:
        verdict, scope, wait, *state = await run_script(pipe, "take", 0, *rate_words(key_rates(key)))
    except RedisError:
        return
    if verdict != b"ok":
        what, _, limit = verdict.decode().partition(" ")
        telemetry.refused(what)
        raise _too_soon(what, limit, owner_of(scope.decode()), wait, _rates(state))


async def peek(pipe: RedisPipe, key: KeyFacts) -> RateState | None:
    """The state of a key's rates for an answer that needed no admission; None where Redis does not tell."""
    try:
        return _rates(await run_script(pipe, "peek", 0, *rate_words(key_rates(key))))
    except RedisError:
        return None


def _rates(state: list[int]) -> RateState:
    """`state`: of requests and of tokens: the limit, how many are left, milliseconds until all are there again."""
    return RateState(
        limit_requests=state[0],
        remaining_requests=state[1],
        reset_requests=state[2] / 1000,
        limit_tokens=state[3],
        remaining_tokens=state[4],
        reset_tokens=state[5] / 1000,
    )


def _refusal(
    key: KeyFacts, verdict: str, scope: str, detail: Any, estimate: Estimate, rates: RateState
) -> LimitReached:
    """Says which limit, of whom, and when to come back."""
    what, _, limit = verdict.partition(" ")
    telemetry.refused(what)
    owner = owner_of(scope)
    if what == "budget" and is_by_credit(key, scope, detail.decode()):
        message = (
            f"The credit of this account does not cover this request, which may cost up to "
            f"{format_usd(estimate.hold)}. Add credit in the portal, or lower max_tokens."
        )
        return LimitReached(message, code="insufficient_quota", retry_after=None, rates=rates)
    if what == "budget":
        monthly = detail != TOTAL.encode()
        message = (
            f"The {'monthly ' if monthly else ''}budget of this {owner} does not cover this request, which may cost up "
            f"to {format_usd(estimate.hold)}. Raise the budget, lower max_tokens"
            f"{', or wait for the next month (UTC)' if monthly else ''}."
        )
        return LimitReached(message, code="insufficient_quota", retry_after=None, rates=rates)
    if what == "too_large":
        period, _, limit = detail.decode().partition(" ")
        message = (
            f"This request may use {estimate.tokens} tokens, more than the {owner}'s limit of {limit} a "
            f"{'day' if period == 'day' else 'minute'}. Shorten the prompt or lower max_tokens."
        )
        return LimitReached(message, code="tokens_limit_exceeded", retry_after=None, rates=rates)
    return _too_soon(what, limit, owner, int(detail), rates)


def _too_soon(what: str, limit: str, owner: str, wait_ms: int, rates: RateState) -> LimitReached:
    wait = wait_ms / 1000
    kinds = {"requests": "requests a minute", "tokens": "tokens a minute", "day": "tokens a day"}
    kind = kinds.get(what, "requests at once")
    message = f"The {owner}'s limit of {limit} {kind} is reached. Try again in {wait:.1f} seconds."
    return LimitReached(message, code="rate_limit_exceeded", retry_after=wait, rates=rates)
