"""Admits requests and settles them: limits, budgets and holds, each in one atomic call to Redis."""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from apps.common.errors import Unavailable
from apps.common.money import format_usd
from apps.common.redis_pipe import NotSentError, RedisPipe
from apps.common.revisions import CATALOG, account_revision, key_revision
from apps.gateway import telemetry
from apps.gateway.contracts import Call, LimitReached, RateState
from apps.gateway.estimate import Estimate
from apps.gateway.local_share import LocalShare, NotAdmitted
from apps.keys.contracts import KeyFacts

logger = logging.getLogger(__name__)
LEASE_MS = 90_000
WITHDRAWAL_PAUSES = (1, 2, 5, 10, 20, 30)  # seconds
SCRIPTS = Path(__file__).parent / "lua"
STREAM = "art:usage"


class StaleFactsError(Exception):
    """What the gateway holds in memory is older than what is true; `what`: "key", "account" or "catalog"."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class UnseededError(Exception):
    """Redis does not know what a scope ("key:7") spent this month."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


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


@dataclass(frozen=True, slots=True)
class Limits:
    """A key's limits with the platform's defaults filled in."""

    rpm: int
    tpm: int
    parallel: int

    @classmethod
    def of(cls, key: KeyFacts) -> "Limits":
        policy = key.policy
        return cls(
            policy.rpm_limit or settings.GATEWAY_DEFAULT_RPM,
            policy.tpm_limit or settings.GATEWAY_DEFAULT_TPM,
            policy.parallel_limit or settings.GATEWAY_DEFAULT_PARALLEL,
        )


async def admit(
    pipe: RedisPipe, call: Call, estimate: Estimate, *, catalog_version: int, month: str, local: LocalShare
) -> RateState:
    """Reserves what the call may use and holds what it may cost; while Redis is away, of this process's own share.

    Raises LimitExceeded where a limit or budget does not allow it, StaleFactsError and UnseededError where the
    gateway must first read something anew, Unavailable where Redis does not answer.
    """
    key = call.key
    limits = Limits.of(key)
    budgets = (key.policy.monthly_budget, key.project_budget, key.account_budget)
    try:
        verdict, detail, *state = await run_script(
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
            key.project_id,
            key.account_id,
            month,
            limits.rpm,
            limits.tpm,
            limits.parallel,
            estimate.tokens,
            estimate.hold,
            *("" if budget is None else budget for budget in budgets),
            LEASE_MS,
            int(datetime.now(UTC).timestamp() * 1000),
            hold_record(call, estimate),
        )
    except RedisError as error:
        logger.warning("%s is admitted without Redis, if at all: %s", call.request_id, error)
        try:
            return local.admit(call, estimate, rpm=limits.rpm, tpm=limits.tpm, parallel=limits.parallel)
        except NotAdmitted as refusal:
            if isinstance(error, NotSentError):
                raise
            raise Unavailable(refusal.message, retry_after=refusal.retry_after) from error  # it may yet be admitted
    if verdict == b"withdrawn":
        raise Unavailable("The gateway is too slow at the moment; try again shortly.", retry_after=2)
    if verdict == b"stale":
        raise StaleFactsError(detail.decode())
    if verdict == b"unseeded":
        raise UnseededError(detail.decode())
    rates = _rates(limits, state)
    if verdict != b"ok":
        raise _refusal(verdict.decode(), detail, limits, estimate, rates)
    local.note(key.key_id, None if detail == b"" else int(detail))
    return rates


def hold_record(call: Call, estimate: Estimate) -> str:
    """A hold as lua/hold.lua reads it."""
    key = call.key
    return f"{key.key_id} {key.project_id} {key.account_id} {estimate.hold} {estimate.tokens} {Limits.of(key).tpm}"


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


async def peek(pipe: RedisPipe, key: KeyFacts) -> RateState | None:
    """The state of a key's rates for an answer that needed no admission; None where Redis does not tell."""
    limits = Limits.of(key)
    try:
        return _rates(limits, await run_script(pipe, "peek", key.key_id, limits.rpm, limits.tpm))
    except RedisError:
        return None


def _rates(limits: Limits, state: list[int]) -> RateState:
    """`state`: requests left, milliseconds until all are there again, and the same of tokens."""
    return RateState(
        limit_requests=limits.rpm,
        remaining_requests=state[0],
        reset_requests=state[1] / 1000,
        limit_tokens=limits.tpm,
        remaining_tokens=state[2],
        reset_tokens=state[3] / 1000,
    )


def _refusal(verdict: str, detail: Any, limits: Limits, estimate: Estimate, rates: RateState) -> LimitReached:
    telemetry.refused(verdict)
    if verdict == "budget":
        scope = detail.decode().partition(":")[0]
        message = (
            f"The monthly budget of this {scope} does not cover this request, which may cost up to "
            f"{format_usd(estimate.hold)}. Raise the budget, lower max_tokens, or wait for the next month (UTC)."
        )
        return LimitReached(message, code="insufficient_quota", retry_after=None, rates=rates)
    if verdict == "too_large":
        message = (
            f"This request may use {estimate.tokens} tokens, more than the key's limit of {limits.tpm} a minute. "
            "Shorten the prompt or lower max_tokens."
        )
        return LimitReached(message, code="tokens_limit_exceeded", retry_after=None, rates=rates)
    wait = int(detail) / 1000
    sentences = {
        "requests": f"The key's limit of {limits.rpm} requests a minute is reached.",
        "tokens": f"The key's limit of {limits.tpm} tokens a minute is reached.",
        "parallel": f"The key's limit of {limits.parallel} requests at once is reached.",
    }
    message = f"{sentences[verdict]} Try again in {wait:.1f} seconds."
    return LimitReached(message, code="rate_limit_exceeded", retry_after=wait, rates=rates)
