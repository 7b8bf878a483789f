"""The ledger and Stripe agree, object by object; what only one of them has is found. Stripe is the stand-in."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.billing import processor, services
from apps.billing.contracts import CheckResult, Reconciled
from apps.billing.emulator.control import EmulatorServer
from apps.billing.ledger import Book
from apps.billing.models import LedgerKind, StripeCustomer, StripeEvent, TopUp
from apps.billing.selectors import balance_of_account
from apps.billing.services.subscriptions import note_invoice
from apps.billing.services.top_ups import note_dispute, note_refund

USD = 10**9
PAGE = "http://127.0.0.1/billing"


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def stand_in(running: EmulatorServer, settings: LazySettings) -> Iterator[EmulatorServer]:
    running.reset()
    settings.STRIPE_SECRET_KEY = "sk_test_51ArtemisStandInForTests"
    settings.STRIPE_API_HOST = running.base_url
    processor.client.cache_clear()
    yield running
    processor.client.cache_clear()


@pytest.fixture
def account_id(stand_in: EmulatorServer, cast: Cast) -> int:
    return cast.northwind.id


def pay(stand_in: EmulatorServer, account_id: int, cast: Cast, dollars: int) -> stripe.PaymentIntent:
    """A top-up, whose payer comes back."""
    services.start_top_up(account_id=account_id, amount=dollars * USD, actor_id=cast.alice.pk, page=PAGE)
    session = TopUp.objects.latest("pk").session_id
    stand_in.pay(session)
    services.look_at_top_up(account_id=account_id, session_id=session)
    paid = processor.client().v1.checkout.sessions.retrieve(session)
    return processor.client().v1.payment_intents.retrieve(str(paid.payment_intent))


def reconcile(**options: Any) -> Reconciled:
    return services.reconcile(**{"patience": 0, "in_flight": timedelta(0), **options})


def differences(reconciled: Reconciled) -> list[tuple[str, str, int]]:
    return [(one.what, one.where, one.difference) for one in reconciled.findings]


def check_of(reconciled: Reconciled) -> CheckResult:
    return next(check for check in reconciled.checks if check.name == "ledger_and_stripe")


def test_payments_refunds_disputes_and_fees_agree(stand_in: EmulatorServer, cast: Cast, account_id: int) -> None:
    v1 = processor.client().v1
    paid = [pay(stand_in, account_id, cast, dollars) for dollars in (20, 30, 40)]
    note_refund(v1.refunds.create({"payment_intent": paid[0].id, "amount": 500}))
    lost, won = (stand_in.dispute(str(intent.latest_charge)) for intent in paid[1:])
    for dispute in (lost, won):
        note_dispute(v1.disputes.retrieve(dispute))
    stand_in.close_dispute(won, won=True)
    note_dispute(v1.disputes.retrieve(won))
    services.offer_first_plans()
    address = services.start_subscription(account_id=account_id, plan_slug="pro", page=PAGE)
    session = address.rpartition("/")[2].partition("#")[0]
    stand_in.pay(session)
    services.look_at_subscription(account_id=account_id, session_id=session)
    [invoice] = v1.invoices.list({"limit": 10}).data
    note_invoice(invoice)
    reconciled = reconcile()
    assert differences(reconciled) == []
    assert (check_of(reconciled).state, check_of(reconciled).compared) == ("done", 7)
    assert balance_of_account(account_id=account_id).prepaid == (20 - 5 + 40) * USD

    # Somebody gives a fee back on Stripe's own pages.
    [paid_by] = v1.invoice_payments.list({"invoice": str(invoice.id)}).data
    refund = v1.refunds.create({"payment_intent": str(paid_by.payment.payment_intent), "amount": 700})
    assert differences(reconcile()) == [("stripe_not_in_ledger", f"northwind {refund.id}", 7 * USD)]
    note_refund(refund)
    assert differences(reconcile()) == []


def test_what_only_stripe_has(stand_in: EmulatorServer, cast: Cast, account_id: int) -> None:
    """Money that nobody told us of: a payment, a refund, and one for something that we did not ask for."""
    known = pay(stand_in, account_id, cast, 20)
    services.start_top_up(account_id=account_id, amount=7 * USD, actor_id=cast.alice.pk, page=PAGE)
    session = TopUp.objects.latest("pk").session_id
    stand_in.pay(session)
    v1 = processor.client().v1
    intent = str(v1.checkout.sessions.retrieve(session).payment_intent)
    refund = v1.refunds.create({"payment_intent": known.id, "amount": 300}).id
    young = reconcile(in_flight=timedelta(minutes=10))
    assert young.is_clean
    assert {(one.what, one.difference) for one in young.explained} == {
        ("stripe_not_in_ledger", -7 * USD),
        ("stripe_not_in_ledger", 3 * USD),
    }
    assert sorted(differences(reconcile())) == sorted(
        [
            ("stripe_not_in_ledger", f"northwind {intent}", -7 * USD),
            ("stripe_not_in_ledger", f"northwind {refund}", 3 * USD),
        ]
    )
    services.look_at_top_up(account_id=account_id, session_id=session)
    note_refund(v1.refunds.retrieve(refund))
    assert reconcile().is_clean


def test_an_event_that_waits_explains_it(stand_in: EmulatorServer, cast: Cast, account_id: int) -> None:
    known = pay(stand_in, account_id, cast, 20)
    refund = processor.client().v1.refunds.create({"payment_intent": known.id, "amount": 300}).id
    StripeEvent.objects.create(
        stripe_id="evt_1",
        type="refund.created",
        livemode=False,
        body=f'{{"id":"{refund}"}}',
        created_at=timezone.now(),
        next_try_at=timezone.now(),
    )
    reconciled = reconcile(in_flight=timedelta(seconds=-5))
    assert differences(reconciled) == [("stripe_not_in_ledger", f"northwind {refund}", 3 * USD)]
    StripeEvent.objects.update(received_at=timezone.now() + timedelta(seconds=30))
    assert reconcile(in_flight=timedelta(seconds=-5)).is_clean


def test_what_only_the_ledger_has(stand_in: EmulatorServer, cast: Cast, account_id: int) -> None:
    services.record_payment(
        account_id=account_id,
        amount=5 * USD,
        key="stripe-pi_invented",
        reason="Never paid",
        through=LedgerKind.STRIPE_CLEARING,
    )
    assert differences(reconcile()) == [("not_at_stripe", "northwind pi_invented", 5 * USD)]


def test_a_payment_of_another_sum(stand_in: EmulatorServer, cast: Cast, account_id: int) -> None:
    """All of it changed in the database, so that the ledger alone is sound."""
    intent = pay(stand_in, account_id, cast, 20)
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE billing_ledgerentry SET amount = amount * 2")
        cursor.execute("UPDATE billing_ledgeraccount SET balance = balance * 2")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    Book.of(account_id).publish_credit()
    assert services.check_ledger() == []
    assert differences(reconcile()) == [("not_as_at_stripe", f"northwind {intent.id}", 20 * USD)]


def test_money_of_others_is_no_matter_of_ours(stand_in: EmulatorServer, account_id: int) -> None:
    v1 = processor.client().v1
    stranger = v1.customers.create({"name": "A customer of another business on the same account at Stripe"})
    v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "customer": stranger.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    reconciled = reconcile()
    assert (differences(reconciled), check_of(reconciled).compared) == ([], 0)
    StripeCustomer.objects.create(account_id=account_id, livemode=False, stripe_id=stranger.id)
    assert [what for what, _, _ in differences(reconcile())] == ["stripe_not_in_ledger"]


def test_a_stripe_that_is_away_is_said(stand_in: EmulatorServer, account_id: int) -> None:
    stand_in.fault(path="/v1/invoice_payments", status=503, times=9)
    reconciled = reconcile()
    assert not reconciled.is_clean
    assert check_of(reconciled).state == "failed" and "does not answer" in check_of(reconciled).note
    assert [check.name for check in reconciled.checks if check.state == "failed"] == ["ledger_and_stripe"]
