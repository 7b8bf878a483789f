"""Prepaid credit by Stripe's Checkout. What was paid is booked by what Stripe says of the payment, whoever asks it."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.billing.models import LedgerKind, LedgerTransaction, StripeCustomer, TopUp, TopUpState, TransactionKind
from apps.billing.processor import CURRENCY, cents, client, nano, translated
from apps.billing.services.credit import record_payment, record_refund
from apps.billing.services.invoices import book_returned, book_returned_again, invoice_of_payment, moved_at_stripe
from apps.billing.services.stripe_customers import stripe_customer
from apps.common.errors import Invalid, LimitExceeded, NotFound
from apps.common.money import NANO_PER_USD, format_usd

LEAST, MOST = 5 * NANO_PER_USD, 10_000 * NANO_PER_USD
MOST_WAITING = 20  # in an hour, of an account
METADATA = "artemis_top_up"


def start_top_up(*, account_id: int, amount: int, actor_id: int, page: str) -> str:
    """The address of a Checkout for this much credit; Stripe sends its visitor back to `page`.

    The card is kept for later charges that its holder agrees to. Raises Invalid, LimitExceeded or Unavailable.
    """
    if not LEAST <= amount <= MOST:
        raise Invalid("amount", f"Give a sum from {format_usd(LEAST)} to {format_usd(MOST)}.")
    unit_amount = cents(amount)
    since = timezone.now() - timedelta(hours=1)
    waiting = TopUp.objects.filter(account_id=account_id, state=TopUpState.PENDING, created_at__gt=since)
    if waiting.count() >= MOST_WAITING:
        raise LimitExceeded("Many payments were begun and not finished. Finish one of them, or try again in an hour.")
    customer = stripe_customer(account_id=account_id)
    top_up = TopUp.objects.create(
        account_id=account_id, livemode=settings.STRIPE_LIVE_MODE, amount=amount, asked_by_id=actor_id
    )
    metadata = {METADATA: str(top_up.reference)}
    with translated():
        session = client().v1.checkout.sessions.create(
            {
                "mode": "payment",
                "customer": customer,
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": CURRENCY,
                            "unit_amount": unit_amount,
                            "product_data": {"name": "Prepaid credit"},
                        },
                    }
                ],
                "payment_intent_data": {
                    "metadata": metadata,
                    "description": "Prepaid credit",
                    "setup_future_usage": "off_session",
                },
                "metadata": metadata,
                "success_url": f"{page}?session={{CHECKOUT_SESSION_ID}}",
                "cancel_url": page,
            },
            {"idempotency_key": f"artemis-top-up-{top_up.reference}"},
        )
    TopUp.objects.filter(pk=top_up.pk).update(session_id=session.id)
    return str(session.url)


def look_at_top_up(*, account_id: int, session_id: str) -> TopUpState:
    """What has become of a Checkout, asked now: its visitor is back, the webhook may be on its way.

    Raises NotFound or Unavailable.
    """
    top_up = TopUp.objects.filter(account_id=account_id, session_id=session_id).exclude(session_id="").first()
    if top_up is None:
        raise NotFound("There is no such payment.")
    if top_up.state == TopUpState.PENDING:
        with translated():
            session = client().v1.checkout.sessions.retrieve(session_id)
        note_session(session)
        if session.payment_intent:
            with translated():
                note_payment_intent(client().v1.payment_intents.retrieve(str(session.payment_intent)))
        top_up.refresh_from_db()
    return TopUpState(top_up.state)


def note_session(session: Any) -> None:
    """What Stripe says of a Checkout."""
    if session.status == "expired":
        TopUp.objects.filter(session_id=session.id, state=TopUpState.PENDING).update(state=TopUpState.EXPIRED)


def note_payment_intent(intent: Any) -> None:
    """What Stripe says of a payment. Credit is given for what came, once, to the account that asked for it."""
    top_up = _top_up_of(intent)
    if top_up is None:
        return
    if intent.status == "succeeded":
        record_payment(
            account_id=top_up.account_id,
            amount=nano(intent.amount_received),
            key=f"stripe-{intent.id}",
            reason="Prepaid credit by card" + (", automatically" if top_up.is_automatic else ""),
            through=LedgerKind.STRIPE_CLEARING,
        )
        TopUp.objects.filter(pk=top_up.pk).update(state=TopUpState.PAID, payment_intent_id=intent.id, failure="")
    elif intent.status == "canceled":
        TopUp.objects.filter(pk=top_up.pk, state=TopUpState.PENDING).update(
            state=TopUpState.FAILED, payment_intent_id=intent.id, failure="The payment was cancelled."
        )


def note_refund(refund: Any) -> None:
    """What Stripe says of money that was given back, or that after all could not be."""
    if refund.status == "succeeded":
        _take_back(refund, "A payment refunded to the card")
    elif refund.status in ("failed", "canceled"):
        _give_again(refund, "A refund to the card that failed")


def note_dispute(dispute: Any) -> None:
    """What Stripe says of a payment that the card's holder takes back. Inquiries (`warning_…`) move no money."""
    if dispute.status == "won":
        _give_again(dispute, "A disputed payment that was yours after all")
    elif not dispute.status.startswith("warning_"):
        _take_back(dispute, "A payment that the card's holder disputes")


def _take_back(told: Any, reason: str) -> None:
    if not told.payment_intent:
        return
    with translated():
        intent = client().v1.payment_intents.retrieve(str(told.payment_intent))
    top_up = _top_up_of(intent)
    if top_up is not None:
        note_payment_intent(intent)  # its payment may not have been heard of yet
        record_refund(account_id=top_up.account_id, amount=nano(told.amount), key=f"stripe-{told.id}", reason=reason)
        return
    theirs = StripeCustomer.known_as(str(intent.customer or ""))
    invoice = invoice_of_payment(intent.id) if theirs is not None else None
    if theirs is not None and invoice is not None:
        book_returned(theirs.account_id, told, invoice, reason=f"{reason}, invoice {invoice.number or invoice.id}")


def _give_again(told: Any, reason: str) -> None:
    """Only what was taken back before."""
    book_returned_again(told, reason=reason)
    taken = LedgerTransaction.objects.filter(business_key=f"{TransactionKind.REFUND}:stripe-{told.id}").first()
    if taken is not None:
        record_payment(
            account_id=taken.account_id,
            amount=moved_at_stripe(taken),
            key=f"stripe-{told.id}-again",
            reason=reason,
            through=LedgerKind.STRIPE_CLEARING,
        )


def is_for(top_up: TopUp, intent: Any) -> bool:
    return bool((intent.metadata or {}).get(METADATA) == str(top_up.reference))


def _top_up_of(intent: Any) -> TopUp | None:
    """The top-up that a payment is for; None where it is for something else, or is another customer's."""
    try:
        reference = uuid.UUID((intent.metadata or {}).get(METADATA, ""))
    except ValueError:
        return None
    top_up = TopUp.objects.filter(reference=reference, livemode=settings.STRIPE_LIVE_MODE).first()
    if top_up is None or intent.livemode != top_up.livemode:
        return None
    theirs = StripeCustomer.objects.filter(account_id=top_up.account_id, stripe_id=str(intent.customer or ""))
    return top_up if theirs.exists() and intent.currency == CURRENCY else None
