"""What the page Billing says: of a debt, of a card, of a plan, of invoices, and of what was booked."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from djstripe.models import Customer, Invoice, PaymentMethod

from apps.accounts.services import write_letter
from apps.accounts.tests.cast import Cast, cast
from apps.billing import services
from apps.billing.models import AutoTopUp, Dunning, DunningStep, Plan, StripeCustomer, Subscription, TopUp, TopUpState
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

__all__ = ["cast"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
PAGE = "/a/northwind/billing/"
USD = 10**9
SINCE = datetime(2026, 11, 27, 19, 10, tzinfo=UTC)


@pytest.fixture
def alice(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.alice, backend=BACKEND)
    return client


def read(client: Client, path: str = PAGE) -> str:
    """Its words, without its markup."""
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def known_at_stripe(account_id: int) -> str:
    StripeCustomer.objects.create(account_id=account_id, livemode=False, stripe_id="cus_1")
    return "cus_1"


def subscribed(account_id: int, **facts: Any) -> None:
    services.offer_first_plans()
    usual = {"status": "active", "stripe_id": "sub_1", "period_end": SINCE + timedelta(days=30)}
    Subscription.objects.create(account_id=account_id, plan=Plan.objects.get(slug="pro"), **{**usual, **facts})


def test_a_debt_names_its_sum_and_its_days(alice: Client, cast: Cast) -> None:
    account_id = cast.northwind.id
    dunning = Dunning.objects.create(
        account_id=account_id, invoice_id="in_1", since=SINCE, step=DunningStep.TOLD, due=43 * USD, page="https://pay"
    )
    said = read(alice)
    assert "The payment of $43.00 on 27 Nov 2026 did not come through." in said
    assert "nothing more may be owed from 4 Dec 2026, 19:10 UTC , and calls are refused from 11 Dec 2026" in said
    assert 'href="https://pay"' in alice.get(PAGE).content.decode()
    dunning.step = DunningStep.LIMITED
    dunning.save()
    assert "From 11 Dec 2026, 19:10 UTC they are refused." in read(alice)


def test_automatic_top_up_that_stopped_asks_for_what_is_missing(
    alice: Client, cast: Cast, settings: LazySettings
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_51ArtemisStandInForTests"
    account_id = cast.northwind.id
    customer = Customer.objects.create(id=known_at_stripe(account_id), livemode=False, stripe_data={})
    AutoTopUp.objects.create(
        account_id=account_id,
        threshold=5 * USD,
        amount=25 * USD,
        monthly_cap=100 * USD,
        enabled=False,
        stopped_because="The card was refused.",
        consented_at=SINCE,
    )
    refused = {"amount": USD, "livemode": False, "is_automatic": True, "state": TopUpState.FAILED}
    TopUp.objects.create(account_id=account_id, payment_method_id="pm_1", **refused)
    for number, charged in ((1, False), (2, True)):
        PaymentMethod.objects.create(
            id=f"pm_{number}",
            livemode=False,
            customer=customer,
            created=SINCE + timedelta(days=number),
            stripe_data={"type": "card"},
        )
        assert ("Another card is kept now: turn it on again" in read(alice)) is charged
        assert ("Give another card" in read(alice)) is not charged
    customer.stripe_data = {"invoice_settings": {"default_payment_method": "pm_1"}}
    customer.save()
    assert "Give another card" in read(alice)


def test_a_plan_is_cancelled_on_a_page_of_its_own(alice: Client, cast: Cast) -> None:
    assert alice.get(f"{PAGE}end/").headers["Location"] == PAGE
    subscribed(cast.northwind.id)
    assert 'name="end"' not in alice.get(PAGE).content.decode()
    said = read(alice, f"{PAGE}end/")
    assert "Cancel Pro? It ends on 27 Dec 2026, 19:10 UTC." in said
    assert "$20.00 a month" in said
    Subscription.objects.update(ends_with_period=True)
    assert alice.get(f"{PAGE}end/").headers["Location"] == PAGE
    assert "Keep Pro" in read(alice)


def test_words_fit_the_plan_and_the_limit(alice: Client, cast: Cast, settings: LazySettings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_51ArtemisStandInForTests"
    services.offer_first_plans()
    assert "Its calls use its credit first; what they cost beyond that is owed." in read(alice)
    services.set_credit_limit(account_id=cast.northwind.id, limit=0)
    assert "Its calls are paid from its credit." in read(alice)
    assert "None yet. A plan's invoices appear here" in read(alice)
    subscribed(cast.northwind.id, status="past_due")
    said = read(alice)
    assert "None yet. Each appears here once Stripe has told of it" in said
    assert "The last payment did not come through." in said
    assert "The next month begins" not in said


def test_invoices_states_are_words(alice: Client, cast: Cast) -> None:
    customer = Customer.objects.create(id=known_at_stripe(cast.northwind.id), livemode=False, stripe_data={})
    for number, status in enumerate(("paid", "open", "uncollectible", "void", "draft")):
        told = {"number": f"N-{number}", "created": int(SINCE.timestamp()), "total": 2000, "status": status}
        Invoice.objects.create(id=f"in_{number}", livemode=False, customer=customer, created=SINCE, stripe_data=told)
    said = read(alice)
    for number, state in enumerate(("Paid", "To be paid", "Not paid", "Cancelled")):
        assert f"N-{number} 27 Nov 2026 {state} $20.00" in said
    assert "N-4" not in said


def test_a_days_use_is_one_row_until_something_else_comes_between(alice: Client, cast: Cast) -> None:
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy())
    key = ApiKey.objects.get(public_id=issued.public_id)
    day = timezone.now().replace(hour=0, minute=10, second=0, microsecond=0) - timedelta(days=2)
    booked = {"account_id": key.account_id, "reason": "Welcome"}
    services.grant_credit(amount=USD, key="first", expires_at=None, **booked)
    for hour in range(30):
        at = day + timedelta(hours=hour)
        record_events(events=[event(key, f"r{hour}", started_at=at.isoformat(), cost=1_000_000)])
        services.post_usage(now=at + timedelta(hours=3))
        if hour == 4:
            services.grant_credit(amount=USD, key="second", expires_at=None, **booked)
    history = alice.get(PAGE).context["history"]
    assert [len(row.changes) for row in history] == [6, 19, 1, 5, 1]
    assert [row.amount for row in history] == [-6_000_000, -19_000_000, USD, -5_000_000, USD]
    assert history[0].newest.balance == 2 * USD - 30_000_000
    said = read(alice)
    assert f"Use of {day:%-d %b}, 05:00 to 00:00, booked 19 times" in said
    assert f"Use of {day + timedelta(days=1):%-d %b}, 00:00 to 06:00, booked 6 times" in said


def test_earlier_messages_are_folded(alice: Client, cast: Cast) -> None:
    for number in range(5):
        write_letter(account_id=cast.northwind.id, subject=f"Letter {number}", text="It says so.")
    said = read(alice)
    assert said.index("Letter 2") < said.index("Earlier messages (2)") < said.index("Letter 1")
