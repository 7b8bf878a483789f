"""Payments without a page: confirmed, refused, asked for, canceled, refunded."""

from typing import Any

import pytest
import stripe

from apps.billing.emulator.control import EmulatorServer


def pay(client: stripe.StripeClient, card: str, **fields: Any) -> stripe.PaymentIntent:
    data: Any = {"amount": 5000, "currency": "usd", "payment_method": card, "confirm": True, **fields}
    return client.v1.payment_intents.create(data)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
def test_a_refusal_says_why(client: stripe.StripeClient, card: str, code: str, decline_code: str | None) -> None:
    with pytest.raises(stripe.CardError) as refusal:
        pay(client, card)
    error = refusal.value.error
    assert error is not None
    assert (error.code, error.decline_code) == (code, decline_code)
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    [failed] = client.v1.events.list({"type": "payment_intent.payment_failed"}).data
    assert failed.data.object["id"] == intent.id


def test_on_session_the_holder_is_asked_off_session_it_is_refused(
    client: stripe.StripeClient, server: EmulatorServer
) -> None:
    customer = client.v1.customers.create()
    card = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer.id})
    asked = pay(client, card.id, customer=customer.id, return_url="https://artemis.example/back")
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.redirect_to_url is not None
    assert server.authenticate(asked.id)["status"] == "succeeded"
    with pytest.raises(stripe.CardError) as refusal:
        pay(client, card.id, customer=customer.id, off_session=True)
    assert refusal.value.code == "authentication_required"


def test_a_card_that_was_set_up_is_charged_off_session(client: stripe.StripeClient, server: EmulatorServer) -> None:
    customer = client.v1.customers.create()
    data: Any = {"customer": customer.id, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    setup = client.v1.setup_intents.create(data)
    assert setup.status == "requires_action"
    server.authenticate(setup.id)
    card = client.v1.setup_intents.retrieve(setup.id).payment_method
    assert pay(client, str(card), customer=customer.id, off_session=True).status == "succeeded"


def test_a_card_of_somebody_else(client: stripe.StripeClient) -> None:
    alice, bob = client.v1.customers.create(), client.v1.customers.create()
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": alice.id})
    with pytest.raises(stripe.InvalidRequestError, match="belongs to another customer"):
        pay(client, card.id, customer=bob.id)
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(card.id, {"customer": bob.id})
    client.v1.payment_methods.detach(card.id)
    assert client.v1.payment_methods.list({"customer": alice.id}).data == []


def test_canceled_it_cannot_be_paid(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert refusal.value.code == "payment_intent_unexpected_state"


def test_refunds_never_exceed_the_payment(client: stripe.StripeClient) -> None:
    intent = pay(client, "pm_card_visa")
    first = client.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})
    assert (first.status, first.amount) == ("succeeded", 2000)
    with pytest.raises(stripe.InvalidRequestError, match=r"greater than unrefunded amount on charge \(\$30.00\)"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 3001})
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refusal.value.code == "charge_already_refunded"
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (5000, True)
    balance = client.v1.balance_transactions.list({"limit": 100}).data
    assert sorted(entry.amount for entry in balance) == [-3000, -2000, 5000]


def test_an_invoice_by_hand(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
    card = client.v1.payment_methods.list({"customer": customer.id}).data[0]
    client.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd", "description": "Help"})
    draft = client.v1.invoices.create({"customer": customer.id, "pending_invoice_items_behavior": "include"})
    assert (draft.status, draft.amount_due, draft.number) == ("draft", 700, None)
    client.v1.invoice_items.create({"customer": customer.id, "amount": 300, "currency": "usd", "invoice": draft.id})
    final = client.v1.invoices.finalize_invoice(draft.id)
    assert (final.status, final.amount_due) == ("open", 1000)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.invoice_items.create({"customer": customer.id, "amount": 1, "currency": "usd", "invoice": draft.id})
    assert refusal.value.code == "invoice_not_editable"
    paid = client.v1.invoices.pay(draft.id, {"payment_method": card.id})
    assert (paid.status, paid.amount_paid) == ("paid", 1000)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.void_invoice(draft.id)


def test_invoices_are_voided_and_given_up(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create()
    made = []
    for _ in range(3):
        client.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd"})
        invoice = client.v1.invoices.create({"customer": customer.id, "pending_invoice_items_behavior": "include"})
        made.append(client.v1.invoices.finalize_invoice(invoice.id).id)
    assert client.v1.invoices.void_invoice(made[0]).status == "void"
    assert client.v1.invoices.mark_uncollectible(made[1]).status == "uncollectible"
    assert client.v1.invoices.pay(made[2], {"paid_out_of_band": True}).status == "paid"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay(made[0])
    types = {event.type for event in client.v1.events.list({"limit": 100}).data}
    assert {"invoice.voided", "invoice.marked_uncollectible", "invoice.paid"} <= types


def test_a_payment_is_taken_back_and_won_again(client: stripe.StripeClient, server: EmulatorServer) -> None:
    intent = pay(client, "pm_card_visa")
    dispute = client.v1.disputes.retrieve(server.dispute(str(intent.latest_charge)))
    assert (dispute.status, dispute.amount, dispute.payment_intent) == ("needs_response", 5000, intent.id)
    assert client.v1.charges.retrieve(str(intent.latest_charge)).disputed
    client.v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Alice"}, "submit": True})
    assert client.v1.disputes.retrieve(dispute.id).status == "under_review"
    server.close_dispute(dispute.id, won=True)
    assert client.v1.disputes.retrieve(dispute.id).status == "won"
    types = [event.type for event in client.v1.events.list({"types": ["charge.dispute.*"]}).data][::-1]
    assert types == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute.id)


def test_a_card_whose_payments_are_disputed(client: stripe.StripeClient) -> None:
    pay(client, "pm_card_createDispute")
    [dispute] = client.v1.disputes.list().data
    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert sum(entry.net for entry in client.v1.balance_transactions.list().data) == -30 - 145 - 1500
