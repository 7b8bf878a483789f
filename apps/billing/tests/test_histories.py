"""Random histories of credit, use, late use, ends of credit, replays and crashes: the ledger stays sound.

Time runs by steps of an hour. Each step may be done twice, or break off before its transaction is committed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum
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
from apps.billing.tests.use import use
from apps.common.errors import Invalid
from apps.keys.models import ApiKey
from apps.usage.models import UsageCharge, UsageEvent

CENT = 10**7
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)  # after anything that the services compare with the clock


Work = tuple[Callable[[], Any], int, int]  # what is done, what it gives where it is not refused, what it uses


class CrashError(Exception):
    """A worker that dies before its transaction is committed."""


@dataclass
class World:
    key: ApiKey
    now: datetime = BEGIN
    used: int = 0
    given: int = 0
    number: int = 0

    def name(self) -> str:
        self.number += 1
        return f"n{self.number}"

    @property
    def account_id(self) -> int:
        return self.key.account_id


def done(work: Callable[[], Any], *, twice: bool, crash: bool) -> Any:
    """What came of it; None where it was refused. A crash leaves nothing, and it is done again."""
    if crash:
        try:
            with transaction.atomic():
                work()
                raise CrashError
        except (CrashError, Invalid):
            pass
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
steps = st.one_of(
    st.tuples(st.just("use"), amounts, st.integers(0, 30), st.sampled_from(["moon", "mars"])),  # hours ago
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
histories = st.lists(st.tuples(steps, st.booleans(), st.booleans()), max_size=25)


def take(world: World, step: tuple[Any, ...], *, twice: bool, crash: bool) -> None:
    what, *values = step
    if what == "wait":
        world.now += timedelta(hours=values[0])
        return
    work, given, used = WORK[what](world, world.name(), *values)
    came = done(work, twice=twice, crash=crash)
    if came is not None:
        world.given += given
    world.used += used


def _use(world: World, name: str, cost: int, ago: int, model: str) -> Work:
    return lambda: use(world.key, name, cost, at=world.now - timedelta(hours=ago), model=model), 0, cost


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
    "use": _use,
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


def check(world: World) -> None:
    assert services.check_ledger() == []
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
        world = World(key)
        for step, twice, crash in history:
            take(world, step, twice=twice, crash=crash)
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
        cost = UsageEvent.objects.filter(model=model).aggregate(total=Sum("cost"))["total"] or 0
        revenue = LedgerAccount.objects.filter(kind=LedgerKind.REVENUE, model=model).aggregate(total=Sum("balance"))
        assert (revenue["total"] or 0) == cost
    for charge in UsageCharge.objects.all():
        posted = PostedCharge.objects.filter(charge=charge).aggregate(total=Sum("cost"))["total"]
        assert posted == charge.cost
        hours = LedgerTransaction.objects.filter(charges__charge=charge).values_list("occurred_at", flat=True)
        assert set(hours) == {charge.hour}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_all_that_is_derived_can_be_made_anew(key: ApiKey, history: list[Any]) -> None:
    with transaction.atomic():
        world = World(key)
        for step, twice, crash in history:
            take(world, step, twice=twice, crash=crash)
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
