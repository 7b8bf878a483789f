"""What is due by itself: renewals, ends of trials, final invoices, retries, expiries. In the order of their times.

A test clock's customers live by that clock; everybody else by the wall's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from apps.billing.emulator import (
    checkout,
    ending,
    invoice_payments,
    invoicing,
    previewing,
    renewing,
    subscription_invoices,
    subscription_items,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400
TRIAL_NOTICE = 3 * DAY
INCOMPLETE_SECONDS = 23 * 3600
MOST_WORKS = 20_000


@dataclass(order=True)
class Work:
    at: int
    place: int
    """Among works of the same time."""
    do: Callable[[World, Object], None] = field(compare=False)
    thing: Object = field(compare=False)


def advance(world: World, clock: Object, until: int) -> None:
    """The clock stands at `until` afterwards; meanwhile it shows each work's own time."""

    def set_time(at: int) -> None:
        clock["frozen_time"] = at

    _run(world, clock["id"], until, set_time)
    set_time(until)
    world.store.changed = True


def catch_up(world: World) -> None:
    """With the wall's clock."""

    def set_time(at: int) -> None:
        world.pretended_now = at

    try:
        _run(world, None, world.now(), set_time)
    finally:
        world.pretended_now = None


def _run(world: World, clock: str | None, until: int, set_time: Callable[[int], None]) -> None:
    for _ in range(MOST_WORKS):
        work = min((work for work in _works(world, clock) if work.at <= until), default=None)
        if work is None:
            return
        set_time(max(work.at, work.thing["created"], world.now(clock) if clock else 0))
        work.do(world, work.thing)
    raise RuntimeError("the time line does not come to an end")


def _works(world: World, clock: str | None) -> Iterator[Work]:
    for invoice in world.store.all("invoice"):
        if invoice["test_clock"] == clock:
            yield from _of_invoice(invoice)
    for subscription in world.store.all("subscription"):
        if subscription["test_clock"] == clock and subscription["status"] not in ending.ENDED:
            yield from _of_subscription(world, subscription)
    for session in world.store.all("checkout.session"):
        if session["status"] == "open" and world.clock_of(session["customer"]) == clock:
            yield Work(session["expires_at"], 9, checkout.expire, session)


def _of_invoice(invoice: Object) -> Iterator[Work]:
    if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] is not None:
        yield Work(invoice["automatically_finalizes_at"], 0, _finalize, invoice)
    if invoice["status"] == "open" and invoice["next_payment_attempt"] is not None:
        yield Work(invoice["next_payment_attempt"], 1, _retry, invoice)


def _of_subscription(world: World, subscription: Object) -> Iterator[Work]:
    status = subscription["status"]
    _, end = subscription_invoices.period_of(subscription)
    known = world.store.known(subscription)
    if status == "incomplete":
        yield Work(subscription["created"] + INCOMPLETE_SECONDS, 2, ending.expire_incomplete, subscription)
        return
    if status == "paused":
        return
    if status == "trialing" and known.get("trial_told") != subscription["trial_end"]:
        yield Work(subscription["trial_end"] - TRIAL_NOTICE, 3, _tell_trial, subscription)
    ends = subscription["cancel_at"]
    if known.get("upcoming_told") != end and (ends is None or ends > end):
        yield Work(end - world.settings.upcoming_days * DAY, 4, _tell_upcoming, subscription)
    if ends is not None and ends <= end:
        yield Work(ends, 5, _cancel, subscription)
    else:
        yield Work(end, 6, _renew, subscription)


def _finalize(world: World, invoice: Object) -> None:
    subscription_items.refresh_usage(world, invoice)
    subscription = invoice_payments.subscription_of(world, invoice)
    paused = None if subscription is None else subscription["pause_collection"]
    if paused is not None and paused["behavior"] == "keep_as_draft":
        world.change(invoice, "invoice.updated", automatically_finalizes_at=None)
        return
    invoicing.finalize(world, invoice)
    if paused is not None and invoice["status"] == "open":
        (invoicing.void if paused["behavior"] == "void" else invoicing.mark_uncollectible)(world, invoice)
    elif invoice["status"] == "open" and invoice["collection_method"] == "charge_automatically":
        invoice_payments.collect(world, invoice)


def _retry(world: World, invoice: Object) -> None:
    world.change(invoice, None, next_payment_attempt=None)
    invoice_payments.collect(world, invoice, by_schedule=True)


def _tell_trial(world: World, subscription: Object) -> None:
    world.store.remember(subscription, trial_told=subscription["trial_end"])
    world.emit("customer.subscription.trial_will_end", subscription)


def _tell_upcoming(world: World, subscription: Object) -> None:
    _, end = subscription_invoices.period_of(subscription)
    world.store.remember(subscription, upcoming_told=end)
    world.emit("invoice.upcoming", previewing.upcoming(world, subscription))


def _cancel(world: World, subscription: Object) -> None:
    trialing = subscription["status"] == "trialing"
    ending.end_now(world, subscription, reason="cancellation_requested", bill_usage=not trialing)


def _renew(world: World, subscription: Object) -> None:
    renewing.renew(world, subscription)
