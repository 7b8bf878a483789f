"""Prices that staff give and calls that are made at them, beside plain sums of what each has to cost.

That the gateway comes to the same sums is tested there.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Self

from django.test import Client

from apps.accounts.models import User
from apps.catalog.contracts import Price
from apps.catalog.models import AIModel
from apps.catalog.selectors import catalog
from apps.common.money import NANO_PER_USD
from apps.keys.models import ApiKey
from apps.usage.tests.test_record_events import event

ADD = "/admin/catalog/priceversion/add/"


@dataclass(frozen=True)
class Rates:
    """Nano-dollars: for a million tokens, and for a search."""

    input: int
    cached: int
    output: int
    reasoning: int | None
    search: int

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls(price.input, price.cached_input, price.output, price.reasoning, price.search)


@dataclass(frozen=True)
class Used:
    """Tokens of each kind, none of them part of another."""

    fresh: int
    cached: int
    spoken: int
    thought: int
    searches: int
    in_batch: bool


def due(rates: Rates | None, used: Used) -> int:
    """Nano-dollars, as the pages say it: each kind at its price, rounded up once; a batch pays half, rounded up."""
    if rates is None:
        return 0
    thoughts = rates.output if rates.reasoning is None else rates.reasoning
    whole = Fraction(
        used.fresh * rates.input + used.cached * rates.cached + used.spoken * rates.output + used.thought * thoughts,
        10**6,
    )
    total = used.searches * rates.search + ceil(whole)
    return ceil(Fraction(total, 2)) if used.in_batch else total


def staff() -> Client:
    client = Client()
    root = User.objects.create_superuser("prices@example.com", "a moon over the forest")
    client.force_login(root, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def give_price(client: Client, model: str, rates: Rates, valid_from: datetime) -> bool:
    """On the staff's page; whether it was taken."""
    form = {
        "ai_model": AIModel.objects.get(public_name=model).pk,
        "valid_from_0": f"{valid_from:%Y-%m-%d}",
        "valid_from_1": f"{valid_from:%H:%M:%S}",
        "input_price": _usd(rates.input),
        "cached_input_price": _usd(rates.cached),
        "output_price": _usd(rates.output),
        "reasoning_price": "" if rates.reasoning is None else _usd(rates.reasoning),
        "search_price": _usd(rates.search),
    }
    answer = client.post(ADD, form)
    assert answer.status_code in (200, 302)
    return answer.status_code == 302


def settled(key: ApiKey, request_id: str, model: str, used: Used, *, at: datetime) -> str:
    """The event of a call that was admitted at this moment, at the price that the catalog has for it."""
    price = catalog().models[model].price_at(at)
    return event(
        key,
        request_id,
        model=model,
        price_version=price.version_id if price else None,
        input_tokens=used.fresh + used.cached,
        cached_input_tokens=used.cached,
        output_tokens=used.spoken + used.thought,
        reasoning_tokens=used.thought,
        searches=used.searches,
        service_tier="batch" if used.in_batch else "default",
        cost=due(Rates.of(price) if price else None, used),
        started_at=at.isoformat(),
    )


def _usd(nano: int) -> str:
    return format(Decimal(nano) / NANO_PER_USD, "f")
