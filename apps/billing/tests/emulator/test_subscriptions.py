"""Subscriptions as months pass: begun, renewed, tried, changed, refused, ended."""

import httpx
import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.life import DAY, Life, moment


def item_of(subscription: stripe.Subscription) -> stripe.SubscriptionItem:
    return subscription["items"].data[0]  # type: ignore[no-any-return]


def test_begins_and_renews_on_the_last_of_the_month(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-01-31")
    subscription = life.subscribe(life.price())
    item = item_of(subscription)
    assert subscription.status == "active"
    assert (item.current_period_start, item.current_period_end) == (moment("2026-01-31"), moment("2026-02-28"))
    [first] = life.invoices()
    assert (first.status, first.billing_reason, first.amount_paid) == ("paid", "subscription_create", 3000)
    assert first.parent is not None
    assert first.parent.subscription_details is not None
    assert first.parent.subscription_details.subscription == subscription.id

    life.advance("2026-02-28T00:30:00")
    draft = life.invoices()[-1]
    assert (draft.status, draft.billing_reason) == ("draft", "subscription_cycle")
    life.advance("2026-02-28T01:30:00")
    assert life.invoices()[-1].status == "paid"
    life.advance("2026-05-01")
    assert [invoice.created for invoice in life.invoices()] == [
        moment(day) for day in ("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30")
    ]
    assert item_of(life.subscription(subscription)).current_period_end == moment("2026-05-31")
    assert life.events().count("invoice.upcoming") == 3


def test_the_first_payment_may_be_refused(client: stripe.StripeClient) -> None:
    life = Life.begin(client, card="pm_card_chargeCustomerFail")
    subscription = life.subscribe(life.price())
    assert subscription.status == "incomplete"
    with pytest.raises(stripe.CardError):
        life.subscribe(life.price(), payment_behavior="error_if_incomplete")
    assert len(life.invoices()) == 1
    life.advance(life.clock.frozen_time + DAY)
    assert life.subscription(subscription).status == "incomplete_expired"
    assert life.invoices()[0].status == "void"


def test_without_a_card_there_is_no_subscription(client: stripe.StripeClient) -> None:
    life = Life.begin(client, card=None)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        life.subscribe(life.price())
    waiting = life.subscribe(life.price(), payment_behavior="default_incomplete", expand=["latest_invoice.payments"])
    assert waiting.status == "incomplete"
    invoice = waiting.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert invoice.payments is not None
    intent = invoice.payments.data[0].payment.payment_intent
    client.v1.payment_intents.confirm(str(intent), {"payment_method": "pm_card_visa"})
    assert life.subscription(waiting).status == "active"


def test_a_trial_is_told_of_and_then_charged(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-03-01")
    subscription = life.subscribe(life.price(), trial_period_days=14)
    assert subscription.status == "trialing"
    assert life.invoices()[0].amount_due == 0
    life.advance("2026-03-13")
    assert "customer.subscription.trial_will_end" in life.events()
    life.advance("2026-03-16")
    assert life.subscription(subscription).status == "active"
    assert [invoice.amount_paid for invoice in life.invoices()] == [0, 3000]
    assert item_of(life.subscription(subscription)).current_period_end == moment("2026-04-15")


def test_a_trial_without_a_card_can_end_the_subscription(client: stripe.StripeClient) -> None:
    life = Life.begin(client, card=None)
    settings = {"end_behavior": {"missing_payment_method": "cancel"}}
    subscription = life.subscribe(life.price(), trial_period_days=7, trial_settings=settings)
    life.advance(life.clock.frozen_time + 8 * DAY)
    assert life.subscription(subscription).status == "canceled"


def test_a_refused_renewal_is_tried_again_and_then_ends_it(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-01-01")
    subscription = life.subscribe(life.price())
    life.use("pm_card_chargeCustomerFail")
    life.advance("2026-02-02")
    invoice = life.invoices()[-1]
    assert life.subscription(subscription).status == "past_due"
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == moment("2026-02-04T01:00:00")
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(str(invoice.id))
    assert life.subscription(subscription).status == "past_due"
    again = life.invoices()[-1]
    assert (again.attempt_count, again.next_payment_attempt) == (1, invoice.next_payment_attempt), (
        "by hand: not counted"
    )
    life.advance("2026-02-17")
    ended = life.subscription(subscription)
    assert ended.status == "canceled"
    assert ended.cancellation_details is not None
    assert ended.cancellation_details.reason == "payment_failed"
    assert life.events().count("invoice.payment_failed") == 5
    assert life.events()[-1] == "test_helpers.test_clock.ready"
    assert "customer.subscription.deleted" in life.events()


def test_a_new_card_saves_a_refused_renewal(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-01-01")
    subscription = life.subscribe(life.price())
    life.use("pm_card_chargeCustomerFail")
    life.advance("2026-02-02")
    life.use("pm_card_visa")
    life.advance("2026-02-05")
    assert life.subscription(subscription).status == "active"
    assert life.invoices()[-1].status == "paid"


def test_an_unpaid_invoice_is_paid_on_its_page(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-01-01")
    subscription = life.subscribe(life.price())
    life.use("pm_card_chargeCustomerFail")
    life.advance("2026-02-02")
    address = str(life.invoices()[-1].hosted_invoice_url)
    assert "Pay $30.00" in httpx.get(address).text
    card = {"number": "4000000000000341", "expiry": "12/34", "cvc": "123"}
    assert httpx.post(address, data=card).status_code == 200
    assert httpx.post(address, data={**card, "number": "4242424242424242"}).status_code == 303
    assert life.subscription(subscription).status == "active"
    document = httpx.get(str(life.invoices()[-1].invoice_pdf))
    assert document.headers["content-type"] == "application/pdf"
    assert document.content.startswith(b"%PDF-")


def test_a_renewal_that_asks_the_holder(client: stripe.StripeClient, server: EmulatorServer) -> None:
    life = Life.begin(client, at="2026-01-01")
    subscription = life.subscribe(life.price())
    life.use("pm_card_authenticationRequired")
    life.advance("2026-02-02")
    assert life.subscription(subscription).status == "past_due"
    assert "invoice.payment_action_required" in life.events()
    [payment] = client.v1.invoice_payments.list({"invoice": life.invoices()[-1].id}).data
    server.authenticate(str(payment.payment.payment_intent))
    assert life.subscription(subscription).status == "active"


def test_an_upgrade_is_prorated(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    gold, platinum = life.price("Gold"), life.price("Platinum", unit_amount=9000)
    subscription = life.subscribe(gold)
    life.advance("2026-04-16")
    change = [{"id": item_of(subscription).id, "price": platinum.id}]
    preview = client.v1.invoices.create_preview(
        {
            "subscription": subscription.id,
            "subscription_details": {"items": change, "proration_behavior": "always_invoice"},  # type: ignore[typeddict-item]
        }
    )
    assert [line.amount for line in preview.lines.data] == [-1500, 4500]
    assert life.subscription(subscription)["items"].data[0].price.id == gold.id

    client.v1.subscriptions.update(subscription.id, {"items": change, "proration_behavior": "always_invoice"})  # type: ignore[typeddict-item]
    invoice = life.invoices()[-1]
    assert (invoice.amount_paid, invoice.billing_reason) == (3000, "subscription_update")
    life.advance("2026-05-02")
    assert life.invoices()[-1].amount_paid == 9000


def test_prorations_wait_for_the_next_invoice(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    subscription = life.subscribe(life.price())
    life.advance("2026-04-16")
    change = [{"id": item_of(subscription).id, "quantity": 3}]
    client.v1.subscriptions.update(subscription.id, {"items": change})  # type: ignore[typeddict-item]
    assert len(life.invoices()) == 1
    following = client.v1.invoices.create_preview({"subscription": subscription.id})
    assert following.amount_due == -1500 + 4500 + 9000
    life.advance("2026-05-02")
    assert life.invoices()[-1].amount_paid == following.amount_due


def test_a_downgrade_leaves_credit(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    gold, silver = life.price("Gold"), life.price("Silver", unit_amount=1000)
    subscription = life.subscribe(gold)
    life.advance("2026-04-16")
    change = [{"id": item_of(subscription).id, "price": silver.id}]
    client.v1.subscriptions.update(subscription.id, {"items": change, "proration_behavior": "always_invoice"})  # type: ignore[typeddict-item]
    assert client.v1.customers.retrieve(life.customer.id).balance == -1000
    life.advance("2026-05-02")
    assert (life.invoices()[-1].total, life.invoices()[-1].amount_due) == (1000, 0)


def test_another_interval_begins_a_new_period(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    yearly = life.price("Yearly", unit_amount=30_000, recurring={"interval": "year"})
    subscription = life.subscribe(life.price())
    life.advance("2026-04-16")
    change = [{"id": item_of(subscription).id, "price": yearly.id}]
    updated = client.v1.subscriptions.update(subscription.id, {"items": change})  # type: ignore[typeddict-item]
    assert item_of(updated).current_period_end == moment("2027-04-16")
    assert life.invoices()[-1].amount_paid == 30_000 - 1500


def test_ends_with_its_period_or_at_once(client: stripe.StripeClient) -> None:
    life = Life.begin(client, at="2026-04-01")
    later, now = life.subscribe(life.price()), life.subscribe(life.price())
    client.v1.subscriptions.update(later.id, {"cancel_at_period_end": True})
    assert client.v1.subscriptions.cancel(now.id).status == "canceled"
    assert life.subscription(later).status == "active"
    client.v1.subscriptions.update(later.id, {"cancel_at_period_end": False})
    assert life.subscription(later).cancel_at is None
    client.v1.subscriptions.update(later.id, {"cancel_at_period_end": True})
    life.advance("2026-05-02")
    assert life.subscription(later).status == "canceled"
    assert len(life.invoices()) == 2
    assert not client.v1.subscriptions.list({"customer": life.customer.id}).data
    assert len(client.v1.subscriptions.list({"customer": life.customer.id, "status": "all"}).data) == 2


def test_checkout_subscribes(client: stripe.StripeClient, server: EmulatorServer) -> None:
    life = Life.begin(client, card=None, at="2026-04-01")
    for card, authenticate in (("4242424242424242", None), ("4000002500003155", True)):
        session = client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": life.customer.id,
                "line_items": [{"price": life.price().id, "quantity": 1}],
                "success_url": "https://artemis.example/plan",
                "subscription_data": {"metadata": {"plan": "gold"}},
            }
        )
        server.pay(session.id, card=card, authenticate=authenticate)
        done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
        assert isinstance(done.subscription, stripe.Subscription)
        assert (done.status, done.subscription.status) == ("complete", "active")
        assert done.subscription.metadata["plan"] == "gold"
        assert done.subscription.default_payment_method is not None
    life.advance("2026-05-02")
    assert [invoice.status for invoice in life.invoices()] == ["paid"] * 4


def test_checkout_begins_a_trial_with_a_card(client: stripe.StripeClient, server: EmulatorServer) -> None:
    life = Life.begin(client, card=None, at="2026-04-01")
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": life.customer.id,
            "line_items": [{"price": life.price().id, "quantity": 1}],
            "success_url": "https://artemis.example/plan",
            "subscription_data": {"trial_period_days": 7},
        }
    )
    assert server.pay(session.id, card="4000000000000002")["error"] == "Your card was declined."
    assert not client.v1.subscriptions.list({"customer": life.customer.id}).data
    server.pay(session.id)
    [subscription] = client.v1.subscriptions.list({"customer": life.customer.id}).data
    assert subscription.status == "trialing"
    life.advance("2026-04-09")
    assert life.subscription(subscription).status == "active"
    assert life.invoices()[-1].amount_paid == 3000


def test_a_trial_can_begin_without_a_card(client: stripe.StripeClient, server: EmulatorServer) -> None:
    life = Life.begin(client, card=None, at="2026-04-01")
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": life.customer.id,
            "line_items": [{"price": life.price().id, "quantity": 1}],
            "success_url": "https://artemis.example/plan",
            "payment_method_collection": "if_required",
            "subscription_data": {"trial_period_days": 7},
        }
    )
    assert "No card is needed" in httpx.get(str(session.url)).text
    assert httpx.post(str(session.url)).status_code == 303
    [subscription] = client.v1.subscriptions.list({"customer": life.customer.id}).data
    assert (subscription.status, subscription.default_payment_method) == ("trialing", None)


def test_a_customer_who_goes_takes_the_subscription_along(client: stripe.StripeClient) -> None:
    life = Life.begin(client)
    subscription = life.subscribe(life.price())
    client.v1.customers.delete(life.customer.id)
    assert life.subscription(subscription).status == "canceled"
