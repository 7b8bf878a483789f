"""Somebody deletes an account's customer at Stripe, the stand-in: it is told, and its next payment begins anew."""

from datetime import timedelta

import pytest
import stripe
from django.utils import timezone

from apps.accounts.selectors import letters_of_account
from apps.accounts.tests.cast import Cast
from apps.billing import processor, services
from apps.billing.emulator.control import EmulatorServer
from apps.billing.models import (
    AutoTopUp,
    EventState,
    MeterBatch,
    OveragePrice,
    PlanPrice,
    StripeCustomer,
    StripeEvent,
    Subscription,
    TopUp,
)
from apps.billing.selectors import balance_of_account, is_customer
from apps.billing.services.stripe_customers import stripe_customer
from apps.billing.tests.test_reconciliation_with_stripe import (
    PAGE,
    USD,
    account_id,
    differences,
    pay,
    reconcile,
    running,
    stand_in,
)
from apps.billing.tests.use import use
from apps.common.errors import Invalid
from apps.keys.models import ApiKey

__all__ = ["account_id", "running", "stand_in"]
OF_ITS_OWN = ("dearer_than_its_price",)  # the costs of events that are written by hand are nobody's prices


@pytest.fixture
def paid(stand_in: EmulatorServer, account_id: int, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account that has paid, and so a customer: its id."""
    monkeypatch.setattr(stripe, "api_base", stand_in.base_url)  # dj-stripe's
    pay(stand_in, account_id, cast, 20)
    hear()
    return str(StripeCustomer.objects.get(account_id=account_id).stripe_id)


def hear() -> None:
    """All that Stripe has to tell."""
    services.find_missed_events(older_than=timedelta(seconds=-5))
    services.handle_events()
    assert not StripeEvent.objects.exclude(state=EventState.DONE).values_list("type", "error")


def delete(customer: str) -> None:
    processor.client().v1.customers.delete(customer)


def subscribe(stand_in: EmulatorServer, account_id: int) -> None:
    address = services.start_subscription(account_id=account_id, plan_slug="pro", page=PAGE)
    stand_in.pay(address.rpartition("/")[2].partition("#")[0])


def customers(account_id: int) -> list[tuple[str, bool]]:
    """(Stripe's id, whether it is known to be deleted), the oldest first."""
    rows = StripeCustomer.objects.filter(account_id=account_id).order_by("pk")
    return [(row.stripe_id, row.deleted_at is not None) for row in rows]


def subjects(account_id: int) -> list[str]:
    return [letter.subject.partition(" (")[0] for letter in letters_of_account(account_id=account_id)]


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_the_next_payment_makes_another(
    stand_in: EmulatorServer, account_id: int, cast: Cast, paid: str, is_heard_of: bool
) -> None:
    delete(paid)
    if is_heard_of:
        hear()
        assert not is_customer(account_id=account_id)
    pay(stand_in, account_id, cast, 30)
    [(first, first_is_gone), (second, second_is_gone)] = customers(account_id)
    assert (first, first_is_gone, second_is_gone) == (paid, True, False)
    assert first != second and processor.client().v1.customers.retrieve(second).metadata
    hear()
    assert balance_of_account(account_id=account_id).prepaid == 50 * USD
    assert subjects(account_id) == ["Cards were deleted at Stripe"]  # once
    reconciled = reconcile()
    assert differences(reconciled) == []


def test_its_payments_stay_what_they_are(stand_in: EmulatorServer, account_id: int, cast: Cast, paid: str) -> None:
    """A refund of a payment of the deleted customer is taken back."""
    [intent] = processor.client().v1.payment_intents.list({"customer": paid}).data
    delete(paid)
    hear()
    stripe_customer(account_id=account_id)
    processor.client().v1.refunds.create({"payment_intent": intent.id, "amount": 700})
    hear()
    assert balance_of_account(account_id=account_id).prepaid == 13 * USD


def test_the_pages_for_cards_open_for_another(account_id: int, paid: str) -> None:
    delete(paid)
    assert services.open_customer_portal(account_id=account_id, page=PAGE)
    assert [is_gone for _, is_gone in customers(account_id)] == [True, False]


def test_the_automatic_stops_and_says_so(stand_in: EmulatorServer, account_id: int, cast: Cast, paid: str) -> None:
    services.set_auto_top_up(
        account_id=account_id, threshold=50 * USD, amount=10 * USD, monthly_cap=90 * USD, actor_id=cast.alice.pk
    )
    delete(paid)
    assert services.top_up_automatically() == 0
    auto = AutoTopUp.objects.get(pk=account_id)
    assert not auto.enabled and "deleted" in auto.stopped_because
    [letter] = letters_of_account(account_id=account_id)
    assert "automatic top-up has stopped" in letter.text and "subscription" not in letter.text
    assert not TopUp.objects.filter(is_automatic=True).exists()
    pay(stand_in, account_id, cast, 20)
    services.set_auto_top_up(
        account_id=account_id, threshold=50 * USD, amount=10 * USD, monthly_cap=90 * USD, actor_id=cast.alice.pk
    )
    assert services.top_up_automatically() == 1
    assert balance_of_account(account_id=account_id).prepaid == 50 * USD


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_the_subscription_ends_and_another_may_begin(
    stand_in: EmulatorServer, account_id: int, paid: str, is_heard_of: bool
) -> None:
    services.offer_first_plans()
    subscribe(stand_in, account_id)
    hear()
    first = Subscription.objects.get(account_id=account_id)
    assert first.is_running
    delete(paid)
    if is_heard_of:
        hear()
        assert Subscription.objects.get(account_id=account_id).status == "canceled"
    subscribe(stand_in, account_id)
    hear()
    second = Subscription.objects.get(account_id=account_id)
    assert second.is_running and second.stripe_id != first.stripe_id
    [letter] = letters_of_account(account_id=account_id)
    assert "subscription to Pro has ended" in letter.text and "automatic" not in letter.text
    assert differences(reconcile()) == []


def test_use_that_was_on_its_way_to_an_invoice_is_owed_again(
    stand_in: EmulatorServer, account_id: int, paid: str, key: ApiKey
) -> None:
    services.offer_first_plans()
    subscribe(stand_in, account_id)
    hear()
    now = timezone.now()
    for request, cost in (("first", 50 * USD), ("second", 7 * USD)):  # 20 were paid, 25 are included
        use(key, request, cost, at=now - timedelta(hours=2))
        services.post_usage(now=now)
        if request == "second":
            stand_in.fault(path="/v1/billing/meter_events", method="POST", status=500, times=3)
        services.bill_overage()
    assert [batch.state for batch in MeterBatch.objects.order_by("pk")] == ["sent", "waiting"]
    assert balance_of_account(account_id=account_id).metered == 12 * USD
    delete(paid)
    hear()
    services.bill_overage()
    balance = balance_of_account(account_id=account_id)
    assert (balance.owed, balance.metered) == (12 * USD, 0)
    told = MeterBatch.objects.latest("pk")
    assert told.state == "refused"
    with pytest.raises(Invalid, match="owed again"):
        services.tell_again(batch_id=told.pk)
    subscribe(stand_in, account_id)
    hear()
    services.bill_overage()
    told = MeterBatch.objects.latest("pk")
    assert (told.cents, told.state, told.customer_id) == (1200, "sent", customers(account_id)[-1][0])
    assert services.counted_by_stripe(account_id=account_id) == 1200
    assert [one for one in differences(reconcile()) if one[0] not in OF_ITS_OWN] == []


def test_test_data_that_was_cleared(stand_in: EmulatorServer, account_id: int, paid: str) -> None:
    """Stripe then knows nothing at all of the customer, nor of what it had."""
    services.offer_first_plans()
    subscribe(stand_in, account_id)
    hear()
    stand_in.reset()
    for prices in (PlanPrice, OveragePrice):
        prices.objects.all().delete()
    subscribe(stand_in, account_id)
    [(_, first_is_gone), (second, second_is_gone)] = customers(account_id)
    assert (first_is_gone, second_is_gone) == (True, False)
    [told] = processor.client().v1.subscriptions.list({"customer": second}).data
    assert Subscription.objects.get(account_id=account_id).status == "canceled"
    services.look_at_subscription(
        account_id=account_id,
        session_id=processor.client().v1.checkout.sessions.list({"customer": second}).data[0].id,
    )
    known = Subscription.objects.get(account_id=account_id)
    assert known.is_running and known.stripe_id == told.id
