"""What an ended subscription left is asked for once, on an invoice of its own. Stripe is the stand-in."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.selectors import letters_of_account
from apps.accounts.services import resume_account, suspend_account
from apps.accounts.tests.cast import Cast
from apps.billing import processor, services
from apps.billing.emulator.control import EmulatorServer
from apps.billing.models import Dunning, LateInvoice, StripeCustomer, Subscription
from apps.billing.selectors import balance_of_account, unpaid_invoice
from apps.billing.services.dunning import look_at_debts
from apps.billing.services.stripe_customers import stripe_customer
from apps.billing.tests.crashes import dies_before
from apps.billing.tests.test_reconciliation_with_stripe import USD, differences, reconcile, running, stand_in
from apps.billing.tests.test_stripe_histories import BAD, GOOD, MONTH, OF_ITS_OWN, World, hear_all, take
from apps.billing.tests.use import use
from apps.keys.models import ApiKey

__all__ = ["running", "stand_in"]
CENT = USD // 100
DAY = timedelta(days=1)
LOST = ("/v1/invoices", "/v1/invoiceitems", "/v1/invoices/*/finalize")


@pytest.fixture
def left(stand_in: EmulatorServer, key: ApiKey, cast: Cast) -> World:
    """Pro, 25 dollars included, was used for 32; it ended with its month, and everything was paid."""
    stand_in.settings(dunning_days=[3], after_dunning="cancel", draft_seconds=0)
    services.offer_first_plans()
    services.set_credit_limit(account_id=key.account_id, limit=0)
    world = World(stand_in, key, cast.alice.pk)
    for step in [("subscribe", "pro"), ("hear all", 1), ("use", 32 * USD, None)]:
        take(world, step)
    assert owed(world) == (0, 7 * USD)
    services.end_subscription(account_id=key.account_id, with_period=True)
    stand_in.advance_time(MONTH)
    hear_all(world, 1)
    assert owed(world) == (0, 0)
    stand_in.settings(dunning_days=[3], after_dunning="cancel", draft_seconds=3600)
    return world


def owed(world: World) -> tuple[int, int]:
    """And what of it is on an invoice."""
    assert services.check_ledger() == []
    balance = balance_of_account(account_id=world.account_id)
    return balance.owed, balance.metered


def late(world: World, cost: int, at: datetime | None = None) -> None:
    world.number += 1
    use(world.key, f"late{world.number}", cost, at=at or world.now - timedelta(hours=2))
    services.post_usage(now=(at or world.now) + timedelta(hours=4))


def after(days: float) -> datetime:
    ended_at = Subscription.objects.get().ended_at
    assert ended_at is not None
    return ended_at + days * DAY


def shown(moment: datetime) -> str:
    return f"{moment:%-d %B %Y, %H:%M} UTC"


def invoices(world: World) -> list[tuple[str, int]]:
    """Those of their own: state and cents."""
    return [(one.status, one.total) for one in world.listed("invoices") if str(one.billing_reason) == "manual"]


def findings() -> list[tuple[str, str, int]]:
    return [one for one in differences(reconcile()) if one[0] not in OF_ITS_OWN]


def test_late_use_is_asked_for_once_and_paid_by_the_card(left: World) -> None:
    late(left, 5 * USD + 3)
    assert owed(left) == (5 * USD + 3, 0)
    services.bill_overage()
    assert services.bill_late_use(now=after(0.5)) == 0, "more may come"
    assert services.bill_late_use(now=after(2)) == 1
    assert services.bill_late_use(now=after(3)) == 0
    assert (owed(left), invoices(left)) == ((3, 5 * USD), [("open", 500)])
    assert "last use" in letters_of_account(account_id=left.account_id)[0].subject
    assert findings() == []

    left.stand_in.advance_time(7200)
    hear_all(left, 2)
    assert (owed(left), invoices(left)) == ((3, 0), [("paid", 500)])
    hear_all(left, 3)
    assert owed(left) == (3, 0)
    assert findings() == []

    late(left, 2 * USD)  # a gateway's spool was found
    assert services.bill_late_use(now=after(9)) == 1
    assert sorted(invoices(left)) == [("open", 200), ("paid", 500)]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("after_effect", [True, False])
def test_an_answer_that_was_lost_makes_no_second_invoice(left: World, lost: str, after_effect: bool) -> None:
    late(left, 5 * USD)
    left.stand_in.fault(path=lost, method="POST", times=3, close=True, after_effect=after_effect)
    assert services.bill_late_use(now=after(2)) == 0
    assert LateInvoice.objects.get().error
    assert services.bill_late_use(now=after(3)) == 1
    assert (owed(left), invoices(left)) == ((0, 5 * USD), [("open", 500)])
    assert LateInvoice.objects.get().error == ""


def test_a_worker_that_dies_anywhere_makes_no_second_invoice(left: World) -> None:
    late(left, 5 * USD)
    statement = 0
    while dies_before(lambda: services.bill_late_use(now=after(2 + statement)), statement):  # noqa: B023
        statement += 1
        assert sum(owed(left)) == 5 * USD
    assert statement > 10
    assert (owed(left), invoices(left)) == ((0, 5 * USD), [("open", 500)])


def test_less_than_stripe_charges_waits_for_the_next_payment(left: World) -> None:
    late(left, USD // 2 - 1)
    assert services.bill_late_use(now=after(2)) == 0
    services.record_payment(account_id=left.account_id, amount=USD, key="top-up", reason="paid")
    assert owed(left) == (0, 0)
    late(left, USD + 1)
    assert services.bill_late_use(now=after(2)) == 1
    assert invoices(left) == [("open", 50)]


def test_a_card_that_is_refused_leads_to_a_letter_and_no_second_invoice(left: World) -> None:
    take(left, ("card", BAD))
    late(left, 5 * USD)
    services.bill_late_use(now=after(2))
    left.stand_in.advance_time(7200)
    look_at_debts(account_id=left.account_id)  # Stripe's event of the invoice is not heard of yet
    unpaid = unpaid_invoice(account_id=left.account_id)
    assert unpaid is not None
    assert (unpaid.due, unpaid.page.startswith("http")) == (5 * USD, True)
    assert (unpaid.limited_at - unpaid.since, unpaid.suspended_at - unpaid.since) == (7 * DAY, 14 * DAY)
    letter = letters_of_account(account_id=left.account_id)[0]
    assert "did not come through" in letter.subject
    for said in ("$5.00", f"owed from {shown(unpaid.limited_at)}", f"refused from {shown(unpaid.suspended_at)}"):
        assert said in letter.text
    hear_all(left, 2)
    assert letters_of_account(account_id=left.account_id)[0] == letter
    Dunning.objects.update(due=None, page="")  # as earlier releases noted it
    assert services.dun() == 0
    assert unpaid_invoice(account_id=left.account_id) == unpaid
    late(left, 6 * USD)
    assert services.bill_late_use(now=after(3)) == 0
    assert owed(left) == (6 * USD, 5 * USD)

    take(left, ("card", GOOD))
    take(left, ("pay what is open",))
    hear_all(left, 3)
    assert "Nothing is left" in letters_of_account(account_id=left.account_id)[0].subject
    assert services.bill_late_use(now=after(4)) == 1
    assert (owed(left), sorted(invoices(left))) == ((0, 6 * USD), [("open", 600), ("paid", 500)])


def test_one_that_is_cancelled_is_written_off(left: World) -> None:
    late(left, 5 * USD)
    services.bill_late_use(now=after(2))
    processor.client().v1.invoices.void_invoice(LateInvoice.objects.get().invoice_id)
    hear_all(left, 2)
    assert (owed(left), services.bill_late_use(now=after(9))) == ((0, 0), 0)
    assert findings() == []


def test_a_reconciliation_finds_what_somebody_did_to_the_invoice(left: World) -> None:
    late(left, 5 * USD)
    services.bill_late_use(now=after(2))
    own = LateInvoice.objects.get()
    assert findings() == []
    LateInvoice.objects.update(invoice_id="in_gone")
    assert findings() == [("late_invoice_not_at_stripe", "northwind in_gone", -5 * USD)]
    LateInvoice.objects.update(invoice_id=own.invoice_id, cents=499)
    [batch, invoice] = findings()
    assert (batch[0], batch[2]) == ("metering_not_its_batch", -CENT)
    assert invoice == ("late_invoice_not_as_asked", f"northwind {own.invoice_id}", CENT)
    LateInvoice.objects.update(cents=500)
    processor.client().v1.invoices.void_invoice(own.invoice_id)
    left.stand_in.advance_time(60)
    voided = [
        one for one in differences(reconcile(in_flight=-MONTH * timedelta(seconds=2))) if one[0] not in OF_ITS_OWN
    ]
    assert voided == [("late_invoice_cancelled", f"northwind {own.invoice_id}", -5 * USD)]


def test_one_that_cannot_be_made_is_found_after_a_day(left: World) -> None:
    late(left, 5 * USD)
    left.stand_in.fault(path="/v1/invoices", method="POST", status=400, times=9)
    assert services.bill_late_use(now=after(2)) == 0
    assert findings() == []
    LateInvoice.objects.update(created_at=timezone.now() - 2 * DAY)
    assert [(what, amount) for what, _, amount in findings()] == [("late_invoice_not_made", -5 * USD)]


def test_use_after_the_end_is_no_matter_of_the_card(left: World) -> None:
    """Staff let the account owe; it is asked for what it used before."""
    services.set_credit_limit(account_id=left.account_id, limit=None)
    late(left, 2 * USD)
    late(left, 9 * USD, at=after(1))
    assert services.bill_late_use(now=after(2)) == 1
    assert (owed(left), invoices(left)) == ((9 * USD, 2 * USD), [("open", 200)])


def test_the_card_of_a_suspended_account_is_left_alone(left: World) -> None:
    late(left, 5 * USD)
    suspend_account(account_id=left.account_id, reason="The card may be stolen")
    assert services.bill_late_use(now=after(2)) == 0
    assert owed(left) == (5 * USD, 0)
    resume_account(account_id=left.account_id)
    assert services.bill_late_use(now=after(2)) == 1


def test_who_comes_back_has_it_on_the_new_subscription(left: World) -> None:
    late(left, 5 * USD)
    for step in [("subscribe", "pro"), ("hear all", 1)]:
        take(left, step)
    services.bill_overage()
    assert services.bill_late_use(now=timezone.now() + 99 * DAY) == 0
    assert (owed(left), invoices(left)) == ((0, 5 * USD), [])


def test_the_customer_who_follows_a_deleted_one_is_asked(left: World) -> None:
    late(left, 5 * USD)
    left.stand_in.fault(path="/v1/invoices", method="POST", status=500, times=3)
    assert services.bill_late_use(now=after(2)) == 0
    processor.client().v1.customers.delete(StripeCustomer.objects.get().stripe_id)
    hear_all(left, 2)
    assert services.bill_late_use(now=after(3)) == 0
    another = stripe_customer(account_id=left.account_id)
    assert services.bill_late_use(now=after(4)) == 1
    [asked] = processor.client().v1.invoices.list({"customer": another}).data
    assert (owed(left), asked.status, asked.total) == ((0, 5 * USD), "open", 500)


def test_what_another_customer_pays_is_not_theirs(left: World, cast: Cast) -> None:
    late(left, 5 * USD)
    services.bill_late_use(now=after(2))
    v1 = processor.client().v1
    stranger = v1.customers.create({"name": "Another"})
    StripeCustomer.objects.create(account_id=cast.charlies.id, livemode=False, stripe_id=stranger.id)
    metadata: Any = {"artemis_late_use": str(LateInvoice.objects.get().reference)}
    forged = v1.invoices.create({"customer": stranger.id, "metadata": metadata})
    v1.invoices.finalize_invoice(forged.id)
    hear_all(left, 2)
    assert owed(left) == (0, 5 * USD)
