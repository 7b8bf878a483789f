"""Random histories of credit, calls, prices, late use, ends of credit, replays and crashes: the ledger stays sound.

Time runs by steps of an hour. Each step may be done twice; its worker may die before any one statement, and another one
does it again. What each call costs is what plain sums, made here from the price of its own time, say.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Account
from apps.accounts.tests.cast import Cast
from apps.billing import services
from apps.billing.models import (
    BatchState,
    CreditLot,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    MeterBatch,
    PostedCharge,
)
from apps.billing.selectors import balance_of_account, credit_history, lots_of_account
from apps.billing.services.invoices import book_fee, book_use, give_up_use
from apps.billing.services.overage import put_on_invoice
from apps.billing.services.reconciliation.comparing import Scope
from apps.billing.services.reconciliation.priced import events_and_prices
from apps.billing.tests.crashes import dies_before
from apps.billing.tests.priced import Rates, Used, due, give_price, settled, staff
from apps.billing.tests.use import use
from apps.catalog.models import AIModel
from apps.common.errors import Invalid
from apps.common.moments import hour_of
from apps.keys.models import ApiKey
from apps.usage.models import UsageCharge, UsageEvent
from apps.usage.services import record_events

CENT = 10**7
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)  # after anything that the services compare with the clock
HALF_HOUR = timedelta(minutes=30)
FIRST_PRICE = Rates(input=2 * 10**9, cached=10**8, output=3 * 10**9, reasoning=None, search=7)


Work = tuple[Callable[[], Any], int, int]  # what is done, what it gives where it is not refused, what it uses


@dataclass(frozen=True)
class Called:
    request_id: str
    model: str
    at: datetime
    price_from: datetime | None
    tier: str
    cost: int


@dataclass
class World:
    key: ApiKey
    desk: Client
    now: datetime = BEGIN
    used: int = 0
    given: int = 0
    number: int = 0
    prices: dict[tuple[str, datetime], Rates] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    @property
    def account_id(self) -> int:
        return self.key.account_id


def done(work: Callable[[], Any], *, twice: bool, dies: int | None) -> Any:
    """What came of it; None where it was refused. Whoever dies before that statement of theirs is followed by others,
    who do it again.
    """
    if dies is not None:
        with suppress(Invalid):
            dies_before(work, dies)
    try:
        with transaction.atomic():
            found = work()
            if twice:
                with transaction.atomic():
                    again = work()
                if hasattr(found, "transaction_id"):
                    assert (again.transaction_id, again.is_new) == (found.transaction_id, False)
            return found
    except Invalid:
        return None


amounts = st.one_of(st.integers(1, 10_000), st.integers(CENT // 2, 3 * CENT))
models = st.sampled_from(["moon", "mars"])
prices = st.one_of(st.integers(0, 10**6), st.integers(10**8, 3 * 10**9))
rates = st.builds(Rates, prices, prices, prices, st.none() | prices, st.integers(0, 10_000))
tokens = st.integers(0, 5_000)
usages = st.builds(Used, tokens, tokens, tokens, tokens, st.integers(0, 3), st.booleans())
steps = st.one_of(
    st.tuples(st.just("call"), models, usages, st.integers(0, 60)),  # half hours ago
    st.tuples(st.just("price"), models, rates, st.integers(0, 12)),  # half hours until it is valid
    st.tuples(st.just("grant"), amounts, st.one_of(st.none(), st.integers(1, 20))),  # hours until its end
    st.tuples(st.just("pay"), amounts),
    st.tuples(st.just("refund"), amounts),
    st.tuples(st.just("refund use"), amounts),
    st.tuples(st.just("write off"), amounts),
    st.tuples(st.just("limit"), st.one_of(st.none(), amounts)),
    st.tuples(st.just("meter")),
    st.tuples(st.just("invoice"), st.integers(0, 3), st.integers(0, 2)),  # cents more than was told, fee
    st.tuples(st.just("cancel invoice")),
    st.tuples(st.just("post")),
    st.tuples(st.just("expire")),
    st.tuples(st.just("wait"), st.integers(1, 10)),
    st.tuples(st.just("jump"), st.integers(-2, 2)),  # a clock that is wrong, for one look
)
histories = st.lists(st.tuples(steps, st.booleans(), st.none() | st.integers(0, 30)), max_size=25)


def take(world: World, step: tuple[Any, ...], *, twice: bool, dies: int | None) -> None:
    what, *values = step
    if what == "wait":
        world.now += timedelta(hours=values[0])
        return
    if what == "price":
        _give_price(world, *values)
        return
    work, given, used = WORK[what](world, world.name(), *values)
    came = done(work, twice=twice, dies=dies)
    if came is not None:
        world.given += given
    world.used += used


def _give_price(world: World, model: str, rates: Rates, halves: int) -> None:
    """Staff may name a moment once."""
    moment = (model, world.now + halves * HALF_HOUR)
    assert give_price(world.desk, model, rates, moment[1]) == (moment not in world.prices)
    world.prices.setdefault(moment, rates)


def _call(world: World, name: str, model: str, used: Used, halves: int) -> Work:
    """Some come late: they began before a price that is valid by now."""
    at = world.now - halves * HALF_HOUR
    price_from = max((since for of, since in world.prices if of == model and since <= at), default=None)
    cost = due(world.prices[model, price_from] if price_from else None, used)
    world.calls.append(Called(name, model, at, price_from, "batch" if used.in_batch else "default", cost))
    told = settled(world.key, name, model, used, at=at)
    return lambda: record_events(events=[told]) or True, 0, cost


def _grant(world: World, name: str, amount: int, hours: int | None) -> Work:
    end = None if hours is None else world.now + timedelta(hours=hours)
    return lambda: services.grant_credit(amount=amount, expires_at=end, **booked(world, name)), amount, 0


def _on_next_invoice(world: World) -> int:
    """What an invoice that is written now has of use, in nano-dollars."""
    return balance_of_account(account_id=world.account_id).metered


def _meter(world: World, _: str) -> Work:
    def work() -> None:
        put_on_invoice(account_id=world.account_id, customer_id="cus_1")
        MeterBatch.objects.update(state=BatchState.SENT)

    return work, 0, 0


def _invoice(world: World, name: str, more: int, fee: int) -> Work:
    """Paid, with the use that it has and, should Stripe have counted wrongly, some more."""
    amount = _on_next_invoice(world) + more * CENT

    def work() -> bool:
        book_fee(world.account_id, name, amount=fee * CENT, name=name)
        book_use(world.account_id, name, amount=amount, given=min(amount, CENT), name=name)
        return True

    return work, amount, 0


def _cancel(world: World, name: str) -> Work:
    amount = _on_next_invoice(world)
    return lambda: give_up_use(world.account_id, name, amount=amount, name=name) or True, amount, 0


def _booking(service: Callable[..., Any], sign: int) -> Callable[[World, str, int], Work]:
    def work(world: World, name: str, amount: int) -> Work:
        return lambda: service(amount=amount, **booked(world, name)), sign * amount, 0

    return work


def booked(world: World, name: str) -> dict[str, Any]:
    return {"account_id": world.account_id, "key": name, "reason": "because"}


WORK: dict[str, Callable[..., Work]] = {
    "call": _call,
    "grant": _grant,
    "pay": _booking(services.record_payment, 1),
    "refund": _booking(services.refund_payment, -1),
    "refund use": _booking(services.refund_usage, 1),
    "write off": _booking(services.write_off, 1),
    "limit": lambda world, _, limit: (
        lambda: services.set_credit_limit(account_id=world.account_id, limit=limit),
        0,
        0,
    ),
    "meter": _meter,
    "invoice": _invoice,
    "cancel invoice": _cancel,
    "post": lambda world, _: (lambda: services.post_usage(now=world.now), 0, 0),
    "jump": lambda world, _, hours: (lambda: services.post_usage(now=world.now + timedelta(hours=hours)), 0, 0),
    "expire": lambda world, _: (lambda: services.expire_credit(now=world.now), 0, 0),
}


def new_world(key: ApiKey) -> World:
    """The moon has a price since the day before; what Mars answers is free until staff give it one."""
    AIModel.objects.bulk_create([AIModel(public_name="moon"), AIModel(public_name="mars")])
    world = World(key, staff())
    since = BEGIN - timedelta(days=1)
    assert give_price(world.desk, "moon", FIRST_PRICE, since)
    world.prices["moon", since] = FIRST_PRICE
    return world


def check(world: World) -> None:
    assert services.check_ledger() == []
    assert dict(UsageEvent.objects.values_list("request_id", "cost")) == {
        one.request_id: one.cost for one in world.calls
    }
    compared = events_and_prices(Scope(None, BEGIN.date()))
    assert (compared.compared, compared.findings, compared.explained) == (len(world.calls), [], [])
    expired = CreditLot.objects.aggregate(total=Sum("swept"))["total"] or 0
    balance = balance_of_account(account_id=world.account_id)
    assert balance.available == world.given - world.used - expired, "nothing billed twice, nothing lost"
    assert min(balance.prepaid, balance.promotional, balance.owed, balance.metered, balance.unposted) >= 0
    assert balance.metered % CENT == 0
    assert balance.promotional == sum(lot.left for lot in lots_of_account(account_id=world.account_id))
    assert (LedgerAccount.objects.aggregate(total=Sum("balance"))["total"] or 0) == 0
    credit = Account.objects.get(pk=world.account_id).credit
    if balance.limit is None:
        assert credit is None
    else:
        assert credit == world.given - expired + balance.limit, "what a gateway may let through in all"
    history = credit_history(account_id=world.account_id)
    assert sum(change.amount for change in history) == balance.available + balance.unposted
    assert not history or history[0].balance == balance.available + balance.unposted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_the_ledger_is_sound_after_each_step(key: ApiKey, history: list[Any]) -> None:
    with transaction.atomic():
        world = new_world(key)
        for step, twice, dies in history:
            take(world, step, twice=twice, dies=dies)
            check(world)
        _end_all(world)
        transaction.set_rollback(True)


def _end_all(world: World) -> None:
    """At last everything is posted: revenue is what the requests cost, model by model, hour by hour."""
    world.now += timedelta(hours=40)
    services.post_usage(now=world.now)
    services.expire_credit(now=world.now)
    check(world)
    assert balance_of_account(account_id=world.account_id).unposted == 0
    for model in ("moon", "mars"):
        cost = sum(one.cost for one in world.calls if one.model == model)
        revenue = LedgerAccount.objects.filter(kind=LedgerKind.REVENUE, model=model).aggregate(total=Sum("balance"))
        assert (revenue["total"] or 0) == cost
    for charge in UsageCharge.objects.exclude(cost=0):
        posted = PostedCharge.objects.filter(charge=charge).aggregate(total=Sum("cost"))["total"]
        assert posted == charge.cost
        hours = LedgerTransaction.objects.filter(charges__charge=charge).values_list("occurred_at", flat=True)
        assert set(hours) == {charge.hour}
    billed, called = Counter[Any](), Counter[Any]()
    for posted in PostedCharge.objects.select_related("charge__price_version"):
        of, price = posted.charge, posted.charge.price_version
        billed[of.model, of.hour, price.valid_from if price else None, of.service_tier] += posted.cost
    for one in world.calls:
        called[one.model, hour_of(one.at), one.price_from, one.tier] += one.cost
    assert +billed == +called, "each part of an hour at the price of its own time"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_all_that_is_derived_can_be_made_anew(key: ApiKey, history: list[Any]) -> None:
    with transaction.atomic():
        world = new_world(key)
        for step, twice, dies in history:
            take(world, step, twice=twice, dies=dies)
        kept = list(LedgerAccount.objects.order_by("pk").values_list("pk", "balance"))
        credit = Account.objects.get(pk=key.account_id).credit
        LedgerAccount.objects.update(balance=77)
        Account.objects.update(credit=None)
        assert services.check_ledger() or not kept
        services.rebuild_balances()
        assert list(LedgerAccount.objects.order_by("pk").values_list("pk", "balance")) == kept
        assert Account.objects.get(pk=key.account_id).credit == credit
        assert services.check_ledger() == []
        transaction.set_rollback(True)


def test_credit_that_ends_first_is_spent_first_and_late_use_finds_its_own(key: ApiKey, cast: Cast) -> None:
    account_id = key.account_id
    long, short = BEGIN + timedelta(days=30), BEGIN + timedelta(hours=3, minutes=20)
    booked = {"account_id": account_id, "reason": "because"}
    services.record_payment(amount=1000, key="paid", **booked)
    services.grant_credit(amount=300, key="long", expires_at=long, **booked)
    services.grant_credit(amount=100, key="short", expires_at=short, **booked)
    use(key, "a", 60, at=BEGIN)
    assert services.post_usage(now=BEGIN + timedelta(hours=2)) == 1
    assert [(lot.amount, lot.left) for lot in lots_of_account(account_id=account_id)] == [(100, 40), (300, 300)]
    assert lots_of_account(account_id=account_id)[0].expires_at == BEGIN + timedelta(hours=4), "a full hour"

    assert services.expire_credit(now=BEGIN + timedelta(hours=4)) == 0, "use before its end may still be on its way"
    assert services.expire_credit(now=BEGIN + timedelta(hours=5)) == 1
    assert [lot.left for lot in lots_of_account(account_id=account_id)] == [300]
    use(key, "late", 70, at=BEGIN + timedelta(hours=3))
    services.post_usage(now=BEGIN + timedelta(hours=6))
    assert [lot.left for lot in lots_of_account(account_id=account_id)] == [270], "40 of the 70 from what had ended"
    assert services.check_ledger() == []

    use(key, "dear", 5000, at=BEGIN + timedelta(hours=8))
    services.post_usage(now=BEGIN + timedelta(hours=10))
    balance = balance_of_account(account_id=account_id)
    assert (balance.prepaid, balance.promotional, balance.owed) == (0, 0, 5000 - 270 - 1000)
    services.record_payment(amount=4000, key="paid late", **booked)
    balance = balance_of_account(account_id=account_id)
    assert (balance.prepaid, balance.owed) == (270, 0), "what was owed is paid at once"


def test_a_key_is_for_one_thing(cast: Cast) -> None:
    services.record_payment(account_id=cast.northwind.id, amount=10, key="k", reason="paid")
    for account_id, amount in ((cast.northwind.id, 11), (cast.charlies.id, 10)):
        try:
            services.record_payment(account_id=account_id, amount=amount, key="k", reason="paid")
        except Invalid as error:
            assert error.status == 409
        else:
            raise AssertionError("something else under the same key")
    assert LedgerEntry.objects.count() == 2


def test_what_another_account_has_is_not_seen(key: ApiKey, cast: Cast) -> None:
    services.grant_credit(account_id=cast.northwind.id, amount=10, key="k", reason="Welcome")
    other = cast.charlies.id
    assert balance_of_account(account_id=other).available == 0
    assert lots_of_account(account_id=other) == credit_history(account_id=other) == []
