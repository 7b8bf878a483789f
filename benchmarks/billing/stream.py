"""Use on its way to a bill: settled as gateways do, drained by the worker's code, posted to the ledger by the same."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, cast

from apps.accounts.models import User
from apps.accounts.services import create_account, create_project
from apps.billing.models import LedgerTransaction
from apps.billing.services import check_ledger, post_usage, record_payment
from apps.catalog.models import AIModel, PriceVersion
from apps.common.moments import hour_of
from apps.common.redis import sync_redis
from apps.gateway.admission import script
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.models import UsageEvent
from apps.usage.services import STREAM, drain_events

MODELS = ("moon", "mars", "sun", "venus", "pluto")
KEYS_OF_PROJECT = 2
END_USERS = 200
PIPELINE = 2000
HOURS = 6
"""As after so many in which no worker ran. What it costs to post grows with accounts and hours, not with events."""


def found(accounts: int) -> dict[str, Any]:
    """Companies of two projects with two keys each, and models with a price. One of two has paid in advance."""
    for model in MODELS:
        row = AIModel.objects.create(public_name=model)
        PriceVersion.objects.create(
            ai_model=row, valid_from=datetime(2020, 1, 1, tzinfo=UTC), input_price=150_000_000, output_price=600_000_000
        )
    for number in range(accounts):
        owner = User.objects.create(email=f"owner-{number}@example.com")
        account = create_account(name=f"Company {number}", owner_id=owner.pk)
        projects = ["default", create_project(account_id=account.id, name="Second").slug]
        for project in projects * KEYS_OF_PROJECT:
            create_key(account_id=account.id, project_slug=project, name="Chat", policy=KeyPolicy())
        if number % 2:
            record_payment(account_id=account.id, amount=10**15, key=f"first-{number}", reason="In advance")
    return {}


def end_of_traffic() -> datetime:
    """The hour before this one: what came in it can be posted."""
    return hour_of(datetime.now(UTC)) - timedelta(hours=1)


def settle(events: int) -> dict[str, Any]:
    """Runs the script that ends a request for each of them; they began one after the other in the last hours."""
    sha, text = script("settle")
    store = sync_redis()
    store.script_load(text)
    keys = list(ApiKey.objects.order_by("account_id", "pk"))
    weights = weights_of(keys)
    prices = dict(PriceVersion.objects.values_list("ai_model__public_name", "pk"))
    chance = random.Random(7)
    start = end_of_traffic() - timedelta(hours=HOURS)
    step = timedelta(hours=HOURS) / events
    began = time.perf_counter()
    for first in range(0, events, PIPELINE):
        pipe = store.pipeline(transaction=False)
        some = range(first, min(first + PIPELINE, events))
        for number, key in zip(some, chance.choices(keys, cum_weights=weights, k=len(some)), strict=True):
            event = _event(chance, key, prices, start + step * number)
            scopes = (f"key:{key.pk}", f"project:{key.project_id}", f"account:{key.account_id}")
            months = [word for scope in scopes for word in (scope, f"{start:%Y%m}")]
            tokens = event["input_tokens"] + event["output_tokens"]
            pipe.evalsha(sha, 0, event["request_id"], event["cost"], tokens, json.dumps(event), *months)
        pipe.execute()
    return {"seconds": time.perf_counter() - began}


def weights_of(keys: list[ApiKey]) -> list[float]:
    """Cumulated: the second account has half of the first one's traffic, the third a third, and so on."""
    ranks = {account: rank for rank, account in enumerate(dict.fromkeys(key.account_id for key in keys), start=1)}
    return list(accumulate(1 / ranks[key.account_id] for key in keys))


def _event(chance: random.Random, key: ApiKey, prices: dict[str, int], at: datetime) -> dict[str, Any]:
    model = MODELS[min(int(chance.expovariate(1.0)), len(MODELS) - 1)]
    tokens, answer = int(chance.expovariate(1 / 800)), int(chance.expovariate(1 / 200))
    event = {
        "request_id": f"req_{chance.getrandbits(96):024x}",
        "account": key.account_id,
        "project": key.project_id,
        "key": key.pk,
        "model": model,
        "deployment": f"{model}-a",
        "endpoint": "chat.completions",
        "outcome": chance.choices(("completed", "cancelled", "failed"), (96, 3, 1))[0],
        "error_code": "",
        "streamed": chance.random() < 0.6,
        "price_version": prices[model],
        "input_tokens": tokens,
        "cached_input_tokens": tokens // 3,
        "output_tokens": answer,
        "estimated": False,
        "cost": tokens * 150 + answer * 600,
        "end_user": f"user-{chance.randrange(END_USERS)}" if chance.random() < 0.3 else "",
        "started_at": at.isoformat(),
        "duration_ms": 40 + answer * 12,
        "first_token_ms": 40,
    }
    return event | {"service_tier": "batch"} if chance.random() < 0.05 else event


def drain(events: int) -> dict[str, Any]:
    began = time.perf_counter()
    drained = drain_events()
    seconds = time.perf_counter() - began
    assert drained == events, f"{drained} of {events} events were drained"
    assert cast(int, sync_redis().xlen(STREAM)) == 0
    return {"seconds": seconds}


def post(events: int) -> dict[str, Any]:
    began = time.perf_counter()
    transactions = post_usage()
    assert transactions > 0, f"of {events} events no use was posted"
    return {"seconds": time.perf_counter() - began}


def check(events: int) -> dict[str, Any]:
    """Every event is there, and the ledger has the cost of all: it is proved from the events up."""
    recorded = UsageEvent.objects.count()
    assert recorded == events, f"{recorded} of {events} events are recorded"
    findings = check_ledger()
    assert not findings, findings[:5]
    return {"events": recorded, "transactions": LedgerTransaction.objects.count()}
