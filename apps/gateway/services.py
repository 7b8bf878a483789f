"""The only way to an engine: authenticate, admit, route, relay, settle."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from redis.exceptions import RedisError

from apps.catalog.contracts import ModelFacts
from apps.common import tracing
from apps.common.database import in_thread
from apps.common.errors import ArtemisError, Forbidden, NotFound, Unauthenticated, Unavailable
from apps.common.revisions import CATALOG, OVERRULE_REVISIONS, RAISE_REVISIONS, account_revision, key_revision
from apps.gateway import access, admission, counting, detours, telemetry
from apps.gateway.admission import StaleFactsError, UnseededError
from apps.gateway.attempts import Attempts, DeadlyRequestError, Opened
from apps.gateway.contracts import Answer, Call, LimitReached, RateState, TokenCount
from apps.gateway.counters import begin_counter
from apps.gateway.estimate import BYTES_PER_TOKEN, Estimate, estimate
from apps.gateway.facts import Offer
from apps.gateway.fitting import check_supported
from apps.gateway.limits import Admission, admission_of
from apps.gateway.local_share import NotAdmitted
from apps.gateway.prompt_log import ear_for
from apps.gateway.relay import Stream, renaming
from apps.gateway.runtime import Runtime, current
from apps.gateway.schemas import admit_schemas
from apps.gateway.settlement import RunningAccount
from apps.gateway.wires import WIRES
from apps.keys.contracts import KeyFacts

if TYPE_CHECKING:
    from apps.common.tracing.inference import CallSpan

__all__ = [
    "authenticate",
    "authenticate_now",
    "authorize",
    "check_admission",
    "check_endpoint",
    "check_supported",
    "complete",
    "count_tokens",
    "model_for",
    "model_now",
    "models_for",
    "permitted",
    "rate_headers",
    "readiness",
]
MOST_READS = 8
RECENT_SECONDS = 1.0
READINESS = ("redis", "postgres", "catalog")
Rates = TypeVar("Rates")


async def authenticate(token: str, *, address: str) -> KeyFacts:
    """The key that a token proves. Raises Unauthenticated or Forbidden, and Unavailable where nobody can tell.

    Good news may be a minute old, since admission compares it with Redis; bad news is read anew before it is told.
    """
    return await authorize(access.hash_of_token(token), address=address)


async def authorize(secret_hash: str, *, address: str) -> KeyFacts:
    """The same for a key that is known already, as a batch knows the one that it was made with."""
    keys = current().keys
    try:
        return access.checked(await keys.get(secret_hash), address)
    except (Unauthenticated, Forbidden):
        return access.checked(await keys.get(secret_hash, at_most=RECENT_SECONDS), address)


async def authenticate_now(token: str, *, address: str) -> KeyFacts:
    """The same by what is true now, for a door that passes no admission and remembers the answer."""
    key, _ = await _true_now(await authenticate(token, address=address), await current().offers.get(), address)
    return key


async def model_for(key: KeyFacts, *, name: str, endpoint: str, address: str) -> tuple[KeyFacts, ModelFacts]:
    """The model that a key asks for, and the key itself as it was read last.

    Raises NotFound or Forbidden, but only by what is true now.
    """
    offer = await current().offers.get()
    try:
        return key, _model(offer, key, name, endpoint)
    except (NotFound, Forbidden):
        key, offer = await _true_now(key, offer, address)
        return key, _model(offer, key, name, endpoint)


def _model(offer: Offer, key: KeyFacts, name: str, endpoint: str) -> ModelFacts:
    access.check_endpoint(key, endpoint)
    return access.model_of_key(offer.catalog, key, name)


async def model_now(key: KeyFacts, *, name: str, endpoint: str, address: str) -> ModelFacts:
    """The model that a key asks for, for what passes no admission. Raises NotFound or Forbidden."""
    key, offer = await _true_now(key, await current().offers.get(), address)
    return _model(offer, key, name, endpoint)


async def count_tokens(model: ModelFacts, payload: dict[str, Any]) -> TokenCount:
    """The tokens of a prompt in Anthropic's form, free of charge. Raises Invalid for what the engine refuses."""
    runtime = current()
    return await counting.counted((await runtime.offers.get()).router, runtime.client, model, payload)


async def permitted(key: KeyFacts, *, endpoint: str, address: str) -> KeyFacts:
    """The key as it is now, for an endpoint that asks no engine; it counts as one of the key's requests a minute.

    Raises Unauthenticated, Forbidden or LimitReached.
    """
    runtime = current()
    key, _ = await _true_now(key, await runtime.offers.get(), address)
    access.check_endpoint(key, endpoint)
    await admission.take(runtime.pipe, key)
    return key


def check_endpoint(key: KeyFacts, *, endpoint: str) -> None:
    """Raises Forbidden where a key, as it is now, may not call it."""
    access.check_endpoint(key, endpoint)


async def models_for(key: KeyFacts, *, address: str, endpoint: str = "models") -> list[ModelFacts]:
    """What a key may call, for one that may call this endpoint."""
    key, offer = await _true_now(key, await current().offers.get(), address)
    access.check_endpoint(key, endpoint)
    return access.models_of_key(offer.catalog, key)


async def _true_now(key: KeyFacts, offer: Offer, address: str) -> tuple[KeyFacts, Offer]:
    """For what passes no admission: key and offer as they are, read anew where Redis knows of a change."""
    runtime = current()
    revisions = {
        key_revision(key.public_id): key.version,
        account_revision(key.account_id): key.account_version,
        CATALOG: offer.catalog.version,
    }
    try:
        known = await runtime.redis.mget(*revisions)
    except RedisError:
        known = []
    if [int(value or 0) for value in known] == list(revisions.values()):
        return key, offer
    return access.checked(await runtime.keys.read(key.secret_hash), address), await runtime.offers.read()


async def complete(call: Call) -> Answer:
    """Answers one call. Raises ArtemisError before anything was sent; after that, the stream itself tells."""
    if tracing.tracer is None:
        return await _complete(call, None)
    from apps.common.tracing.inference import of_call  # noqa: PLC0415 (only where tracing is on)

    operation, model = telemetry.operation_of(call.endpoint), call.model.public_name
    with of_call(operation, model, endpoint=call.endpoint, stream=call.stream) as span:
        return await _complete(call, span)


async def _complete(call: Call, span: "CallSpan | None") -> Answer:
    runtime = current()
    await _check_content(runtime, call)

    async def admit(call: Call, guess: Estimate, limits: Admission, version: int) -> RateState:
        return await admission.admit(runtime.pipe, call, guess, limits, catalog_version=version, local=runtime.local)

    started = datetime.now(UTC)
    admitting = _admit(runtime, call, started, admit)
    call, offer, guess, rates, limits = await (admitting if span is None else span.during("admission", admitting))
    meter = WIRES[call.endpoint].meter(prompt_estimate=guess.prompt_tokens)
    account = RunningAccount(
        runtime, call, call.model.price_at(started), guess.hold, meter, started, span=span, ear=ear_for(call, started)
    )
    account.open(limits.record(guess))
    payload = dict(call.payload)
    if guess.forwarded_limit:
        payload[call.output_limit_field] = guess.forwarded_limit
    until = account.clock + call.limits.total
    attempts = Attempts(offer.router, runtime.client, offer.catalog, call, payload, until=until, slots=runtime.slots)
    outcome, code = "cancelled", ""
    try:
        with detours.waiting(call.key.tier):
            opened = await attempts.open(meter)
    except ArtemisError as error:
        outcome, code = "failed", error.code
        if isinstance(error, DeadlyRequestError):
            await runtime.watch.quarantine(call)
        raise
    except Exception:
        outcome, code = "failed", "internal_error"
        raise
    else:
        return await _answer(opened, account, rates, attempts)
    finally:
        if account.opened is None:
            account.close(outcome, code)


async def _answer(opened: Opened, account: RunningAccount, rates: RateState, attempts: Attempts) -> Answer:
    account.opened = opened
    account.spoke.append(opened.deployment.id)
    if not opened.deployment.sends_tokens(account.call.endpoint):  # a provider's chunks are no tokens
        account.meter.characters_per_token = BYTES_PER_TOKEN
    headers = {
        **rates.headers(),
        "x-artemis-deployment": opened.deployment.id,
        "x-artemis-tries": str(attempts.made),
    }
    if account.call.stream:
        return Answer(stream=Stream(opened, account, attempts), headers=headers)
    account.note_first_byte()
    if account.ear is not None:
        account.ear.hear(opened.first)
    account.close("completed")
    await opened.upstream.close(finished=True)
    return Answer(body=renaming(opened, account)(opened.first), headers=headers)


async def check_admission(call: Call) -> RateState | None:
    """Whether a call that is completed later would be admitted now; it counts as one of the key's requests a minute,
    and is then to be completed as `counted`. The rates, where Redis tells them. Raises ArtemisError."""
    runtime = current()
    await _check_content(runtime, call)

    async def check(call: Call, guess: Estimate, limits: Admission, version: int) -> RateState | None:
        return await admission.check(runtime.pipe, call, guess, limits, catalog_version=version)

    return (await _admit(runtime, call, datetime.now(UTC), check)).rates


async def _check_content(runtime: Runtime, call: Call) -> None:
    if runtime.watch.is_quarantined(call):
        raise DeadlyRequestError
    if call.schemas:
        await admit_schemas(runtime.pipe, account_id=call.key.account_id, digest=call.schemas)


class Admitted(NamedTuple, Generic[Rates]):
    call: Call
    offer: Offer
    guess: Estimate
    rates: Rates
    limits: Admission


async def _admit(
    runtime: Runtime,
    call: Call,
    started: datetime,
    ask: Callable[[Call, Estimate, Admission, int], Awaitable[Rates]],
) -> Admitted[Rates]:
    """Admits the call by what is true now: reads anew whatever Redis says is stale, and tries again."""
    month = admission.month_of(started)
    reads: list[str] = []
    while True:
        offer = await runtime.offers.get()
        model = access.model_of_key(offer.catalog, call.key, call.model.public_name)
        if model is not call.model:
            call = replace(call, model=model)
        guess = estimate(call, call.model.price_at(started))
        try:
            limits = admission_of(call, month)
            rates = await ask(call, guess, limits, offer.catalog.version)
        except StaleFactsError as stale:
            call = await _refresh(runtime, call, stale.what, again=stale.what in reads)
            reads.append(stale.what)
        except UnseededError as unseeded:
            await _seed(unseeded.scope, unseeded.period)
            reads.append(unseeded.scope)
        except (LimitReached, NotAdmitted):
            raise
        except BaseException:
            # Redis may have admitted it without our hearing of it: nobody must wait for that hold.
            runtime.keep(admission.withdraw(runtime.pipe, call.request_id))
            raise
        else:
            return Admitted(call, offer, guess, rates, limits)
        if len(reads) > MOST_READS:
            raise Unavailable("What the gateway knows of this key keeps changing; try again shortly.", retry_after=1)


async def _refresh(runtime: Runtime, call: Call, what: str, *, again: bool) -> Call:
    """Reads anew and publishes what was read.

    A second time in one request the revision in Redis is overruled: it is higher than PostgreSQL's, which happens
    when PostgreSQL was restored from a backup. A change that is published meanwhile is not.
    """
    key = call.key
    names = [CATALOG] if what == "catalog" else [key_revision(key.public_id), account_revision(key.account_id)]
    try:
        seen = await runtime.redis.mget(names) if again else []
        if what == "catalog":
            offer = await runtime.offers.read(alone=again)
            read = [offer.catalog.version]
        else:
            facts = access.checked(await runtime.keys.read(key.secret_hash, alone=again), call.address)
            access.check_endpoint(facts, call.endpoint)
            call = replace(call, key=facts)
            read = [facts.version, facts.account_version]
        script, values = (OVERRULE_REVISIONS, [value or "" for value in seen]) if again else (RAISE_REVISIONS, [])
        await runtime.redis.eval(script, len(names), *names, *values, *map(str, read))
    except RedisError as error:
        raise Unavailable("The gateway cannot check limits at the moment; try again shortly.", retry_after=2) from error
    return call


async def _seed(scope: str, period: str) -> None:
    """Begins a counter of a month's spending, or of all that was ever spent."""
    try:
        await in_thread(lambda: begin_counter(scope, period))
    except RedisError as error:
        raise Unavailable("The gateway cannot check limits at the moment; try again shortly.", retry_after=2) from error


async def rate_headers(key: KeyFacts) -> Mapping[str, str]:
    """The rate-limit headers of an answer that needed no admission: a list of models, a refused request."""
    rates = await admission.peek(current().pipe, key)
    return rates.headers() if rates else {}


async def readiness(*, without: Collection[str] = ()) -> dict[str, bool]:
    """Whether what the gateway needs answers: Redis, PostgreSQL, and a catalog with something on offer.

    `without`: names among READINESS that are not asked. A Redis that is full, or a replica, answers a PING, and is of
    no use: it must take something.
    """
    checks = {"redis": _redis_takes, "postgres": _postgres_answers, "catalog": _has_models}
    return {name: await checks[name]() for name in READINESS if name not in without}


async def _redis_takes() -> bool:
    try:
        return bool(await current().redis.set("art:ready", 1, ex=60))
    except RedisError:
        return False


async def _postgres_answers() -> bool:
    try:
        await current().offers.read()
    except Unavailable:
        return False
    return True


async def _has_models() -> bool:
    """By the catalog that was read last: PostgreSQL, where it is away, is waited for once, by its own check."""
    offers = current().offers
    try:
        return bool((offers.known or await offers.read()).catalog.models)
    except Unavailable:
        return False
