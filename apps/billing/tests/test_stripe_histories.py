"""Random histories at Stripe, heard of in any order, twice, late or in part, by workers that die at any statement: the
ledger ends up as Stripe has it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.tests.cast import Cast
from apps.billing import processor, services
from apps.billing.emulator.control import EmulatorServer
from apps.billing.models import MeterBatch, StripeCustomer, TopUp
from apps.billing.selectors import balance_of_account
from apps.billing.services.stripe_events import EFFECTS, WANTED
from apps.billing.tests.crashes import dies_before
from apps.billing.tests.test_reconciliation_with_stripe import PAGE, USD, reconcile, running, stand_in
from apps.billing.tests.use import use
from apps.common.errors import ArtemisError
from apps.keys.models import ApiKey

__all__ = ["running", "stand_in"]
OF_ITS_OWN = ("dearer_than_its_price",)  # the costs of this test's events are nobody's prices
MONTH = 31 * 24 * 3600
YEARS = timedelta(days=2000)  # the stand-in's months are ahead of our clock
BAD, GOOD = "4000000000000341", "4242424242424242"
BREAKS = ("/v1/invoices*", "/v1/subscriptions/*", "/v1/payment_intents/*", "/v1/invoice_payments", "/v1/refunds*")

numbers = st.integers(0, 100)
steps = st.one_of(
    st.tuples(st.just("top up"), st.integers(5, 60)),
    st.tuples(st.just("refund"), numbers),
    st.tuples(st.just("dispute"), numbers, st.booleans()),
    st.tuples(st.just("subscribe"), st.sampled_from(["pro", "team"])),
    st.tuples(st.just("month")),
    st.tuples(st.just("card"), st.sampled_from([BAD, GOOD])),
    st.tuples(st.just("use"), st.integers(10 * USD, 40 * USD), st.none() | st.integers(0, 60)),
    st.tuples(st.just("end")),
    st.tuples(st.just("late use"), st.none() | st.integers(0, 60)),
    st.tuples(st.just("pay what is open")),
    st.tuples(st.just("hear"), numbers, st.sampled_from([None, *BREAKS])),
)


@dataclass
class World:
    stand_in: EmulatorServer
    key: ApiKey
    payer_id: int
    now: datetime = field(default_factory=timezone.now)
    number: int = 0

    @property
    def account_id(self) -> int:
        return self.key.account_id

    @property
    def customer(self) -> str | None:
        return StripeCustomer.objects.filter(account_id=self.account_id).values_list("stripe_id", flat=True).first()

    def listed(self, kind: str, **asked: Any) -> list[Any]:
        """Of the customer's, the newest first."""
        if self.customer is None:
            return []
        return list(getattr(processor.client().v1, kind).list({"customer": self.customer, **asked}).auto_paging_iter())


def take(world: World, step: tuple[Any, ...]) -> None:
    """What Stripe refuses has not happened."""
    what, *values = step
    try:
        with processor.translated():
            STEPS[what](world, *values)
    except (ArtemisError, ValueError):
        return


def _top_up(world: World, dollars: int) -> None:
    services.start_top_up(account_id=world.account_id, amount=dollars * USD, actor_id=world.payer_id, page=PAGE)
    world.stand_in.pay(TopUp.objects.latest("pk").session_id)


def _refund(world: World, number: int) -> None:
    charges = world.listed("charges")
    if charges:
        processor.client().v1.refunds.create({"charge": charges[number % len(charges)].id, "amount": 100 + number})


def _dispute(world: World, number: int, is_won: bool) -> None:
    charges = [charge for charge in world.listed("charges") if not charge.disputed and not charge.amount_refunded]
    if charges:
        dispute = world.stand_in.dispute(charges[number % len(charges)].id)
        hear(world, number, None)
        world.stand_in.close_dispute(dispute, won=is_won)


def _subscribe(world: World, plan: str) -> None:
    address = services.start_subscription(account_id=world.account_id, plan_slug=plan, page=PAGE)
    world.stand_in.pay(address.rpartition("/")[2].partition("#")[0])


def _card(world: World, number: str) -> None:
    for card in world.listed("payment_methods"):
        world.stand_in.replace_card(card.id, number)


def _use(world: World, cost: int, dies: int | None) -> None:
    world.number += 1
    use(world.key, f"n{world.number}", cost, at=world.now - timedelta(hours=2))
    services.post_usage(now=world.now)
    done_after_all(services.bill_overage, dies)


def _late_use(world: World, dies: int | None) -> None:
    done_after_all(lambda: services.bill_late_use(now=world.now + YEARS), dies)


def done_after_all(work: Callable[[], object], dies: int | None) -> None:
    """By others, where a worker died before that statement of theirs."""
    if dies is None:
        work()
    elif dies_before(work, dies):
        MeterBatch.objects.update(next_try_at=timezone.now())
        work()


def _pay_open(world: World) -> None:
    for invoice in world.listed("invoices", status="open"):
        processor.client().v1.invoices.pay(invoice.id)


def hear(world: World, seed: int, breaks: str | None) -> None:
    """Some of all the events that there ever were, in any order; some of their workers die, or find no answer."""
    events = list(processor.client().v1.events.list({"limit": 100}).auto_paging_iter())
    chance = random.Random(seed)
    for event in chance.sample(events, k=chance.randint(0, len(events))):
        if breaks and chance.random() < 0.2:
            world.stand_in.fault(path=breaks, method="GET", status=400)
        if event.type in WANTED:
            dies_before(lambda: handle(event), chance.randint(0, 80))  # noqa: B023
    world.stand_in.clear_faults()


def hear_all(world: World, seed: int) -> None:
    events = list(processor.client().v1.events.list({"limit": 100}).auto_paging_iter())
    random.Random(seed).shuffle(events)
    for event in events:
        if event.type in WANTED:
            assert handle(event), f"nothing breaks {event.type}"


def handle(event: Any) -> bool:
    changed = event.data.object
    effect = EFFECTS.get(changed["object"])
    try:
        if effect is not None:
            with processor.translated():
                effect(changed["id"])
    except ArtemisError:
        return False
    return True


STEPS = {
    "hear all": hear_all,
    "top up": _top_up,
    "refund": _refund,
    "dispute": _dispute,
    "subscribe": _subscribe,
    "month": lambda world: world.stand_in.advance_time(MONTH),
    "card": _card,
    "use": _use,
    "end": lambda world: services.end_subscription(account_id=world.account_id, with_period=True),
    "late use": _late_use,
    "pay what is open": _pay_open,
    "hear": hear,
}


def check(world: World) -> None:
    assert services.check_ledger() == []
    balance = balance_of_account(account_id=world.account_id)
    assert min(balance.prepaid, balance.promotional, balance.owed, balance.metered) >= 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=4, max_size=14), numbers)
def test_the_ledger_ends_up_as_stripe_has_it(
    stand_in: EmulatorServer, key: ApiKey, cast: Cast, history: list[Any], seed: int
) -> None:
    with transaction.atomic():
        stand_in.reset()
        stand_in.settings(dunning_days=[3], after_dunning="cancel", draft_seconds=0)
        services.offer_first_plans()
        services.set_credit_limit(account_id=key.account_id, limit=0)
        world = World(stand_in, key, cast.alice.pk)
        for step in [("subscribe", "pro"), ("hear all", seed), *history]:
            take(world, step)
            check(world)
        hear_all(world, seed)
        check(world)
        after = balance_of_account(account_id=world.account_id)
        hear_all(world, seed + 1)
        assert balance_of_account(account_id=world.account_id) == after, "heard again, it changes nothing"
        reconciled = reconcile()
        assert [one for one in reconciled.findings if one.what not in OF_ITS_OWN] == []
        done = {one.name for one in reconciled.checks if one.state == "done"}
        assert done >= {"ledger_and_itself", "ledger_and_stripe", "ledger_and_meter", "ledger_and_late_invoices"}
        transaction.set_rollback(True)
