"""Stripe's events: kept as they come, handled one after the other, found again where no webhook brought them.

An event only says that something has changed. What is then done follows from the object as Stripe has it now, so that
events may come late, twice, or in any order.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from djstripe.models import Event, WebhookEndpoint
from redis.exceptions import LockNotOwnedError

from apps.billing.models import EventState, StripeEvent
from apps.billing.processor import client, is_configured, translated
from apps.billing.services.stripe_customers import note_customer
from apps.billing.services.subscriptions import NOTERS
from apps.billing.services.top_ups import note_dispute, note_payment_intent, note_refund, note_session
from apps.common.errors import Invalid, NotFound
from apps.common.queue import enqueue
from apps.common.redis import sync_redis

logger = logging.getLogger(__name__)
ONE_HANDLER = "art:stripe:handling"
LONGEST_RUN = 300.0  # seconds; a worker is stopped then
MOST_AT_ONCE = 50
TRIES = 10
AWAY = (stripe.APIConnectionError, stripe.RateLimitError)
WAIT = timedelta(seconds=15)  # for a Stripe that is away
BACK = timedelta(days=1)  # how far the sync looks behind the newest event: others may have been lost before it
KEPT = timedelta(days=90)  # after it was handled
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
ON_ITS_WAY = timedelta(minutes=2)  # a webhook may need so long
OLDEST = timedelta(days=29)  # Stripe keeps events for thirty


def _note_payment_intent(stripe_id: str) -> None:
    note_payment_intent(client().v1.payment_intents.retrieve(stripe_id))


def _note_session(stripe_id: str) -> None:
    note_session(client().v1.checkout.sessions.retrieve(stripe_id))


def _note_charge(stripe_id: str) -> None:
    for refund in client().v1.refunds.list({"charge": stripe_id}).auto_paging_iter():
        note_refund(refund)


def _note_refund(stripe_id: str) -> None:
    note_refund(client().v1.refunds.retrieve(stripe_id))


def _note_dispute(stripe_id: str) -> None:
    note_dispute(client().v1.disputes.retrieve(stripe_id))


# By the kind of object that an event is about.
EFFECTS: dict[str, Callable[[str], None]] = {
    "payment_intent": _note_payment_intent,
    "checkout.session": _note_session,
    "charge": _note_charge,
    "refund": _note_refund,
    "dispute": _note_dispute,
    "customer": note_customer,
    **NOTERS,
}
WANTED = [
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.updated",
    "invoice.voided",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
]


def receive_event(*, endpoint: str, body: bytes, signature: str) -> None:
    """Keeps an event of which Stripe's signature is good. Raises NotFound for no endpoint of ours, else Invalid."""
    known = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint).first()
    if known is None or not known.secret:
        raise NotFound("There is no such endpoint.")
    try:
        event = stripe.Webhook.construct_event(body, signature, known.secret, known.djstripe_tolerance)
    except (ValueError, AttributeError, TypeError, stripe.SignatureVerificationError) as error:  # or is no object
        raise Invalid("stripe-signature", "The signature does not fit the body.", code="invalid_signature") from error
    if event.livemode != settings.STRIPE_LIVE_MODE:
        raise Invalid("livemode", "The event is of the other mode.", code="wrong_mode")
    if _keep([body.decode()]):
        enqueue("billing.handle_events")


def handle_events() -> int:
    """Handles what waits and is due, the oldest first; how many came through. One process does so at a time.

    What comes meanwhile is handled too: whoever was told of it has found this one at work, and left it.
    """
    if not is_configured():
        return 0
    one = sync_redis().lock(ONE_HANDLER, timeout=LONGEST_RUN, blocking=False)
    if not one.acquire():
        return 0
    handled, deadline = 0, time.monotonic() + LONGEST_RUN / 3
    try:
        while (due := _due()) and time.monotonic() < deadline:
            handled += _handle_all(due)
        return handled
    finally:
        with suppress(LockNotOwnedError):
            one.release()


def _due() -> list[StripeEvent]:
    due = StripeEvent.objects.filter(state=EventState.WAITING, next_try_at__lte=timezone.now())
    return list(due.order_by("created_at", "pk")[:MOST_AT_ONCE])


def replay_event(*, event_id: int) -> None:
    """Has one tried again, however often it was."""
    StripeEvent.objects.filter(pk=event_id).update(
        state=EventState.WAITING, tries=0, next_try_at=timezone.now(), error=""
    )


def find_missed_events(*, older_than: timedelta = ON_ITS_WAY) -> int:
    """Asks Stripe which events there were, and keeps those that no webhook brought; how many."""
    if not is_configured():
        return 0
    now = timezone.now()
    newest = StripeEvent.objects.filter(livemode=settings.STRIPE_LIVE_MODE).first()
    since = max(min(newest.created_at, now) - BACK, now - OLDEST) if newest else now - OLDEST
    StripeEvent.objects.filter(state=EventState.DONE, done_at__lt=now - KEPT).delete()
    with translated():
        listed = client().v1.events.list(
            {
                "created": {"gte": int(since.timestamp()), "lte": int((now - older_than).timestamp())},
                "limit": 100,
            }
        )
        found = [str(event) for event in listed.auto_paging_iter() if event.type in WANTED]
    return _keep(found, was_missed=True)


def _keep(bodies: list[str], *, was_missed: bool = False) -> int:
    rows = []
    for body in bodies:
        fields = json.loads(body)
        rows.append(
            StripeEvent(
                stripe_id=fields["id"],
                type=fields["type"],
                livemode=fields["livemode"],
                body=body,
                created_at=datetime.fromtimestamp(fields["created"], UTC),
                was_missed=was_missed,
            )
        )
    known = set(
        StripeEvent.objects.filter(stripe_id__in=[row.stripe_id for row in rows]).values_list("stripe_id", flat=True)
    )
    new = [row for row in rows if row.stripe_id not in known]
    StripeEvent.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def _handle_all(events: list[StripeEvent]) -> int:
    handled = 0
    for event in events:
        try:
            _handle(event)
        except Exception as error:
            if isinstance(error.__cause__, AWAY):  # is no event's fault: all of them wait
                logger.warning("Stripe does not answer, and its events wait")
                waiting = StripeEvent.objects.filter(pk__in=[one.pk for one in events], state=EventState.WAITING)
                waiting.update(next_try_at=timezone.now() + WAIT)
                break
            logger.exception("%s of Stripe's could not be handled", event)
            _put_off(event, error)
        else:
            handled += 1
    return handled


def _handle(event: StripeEvent) -> None:
    """First what it means for the ledger, then dj-stripe's mirror: what fails is tried again, as a whole."""
    fields = json.loads(event.body)
    changed = fields["data"]["object"]
    effect = EFFECTS.get(changed["object"])
    with translated():
        if effect is not None:
            effect(changed["id"])
        with transaction.atomic():
            Event.process(fields, api_key=settings.STRIPE_SECRET_KEY)
    StripeEvent.objects.filter(pk=event.pk).update(
        state=EventState.DONE, done_at=timezone.now(), tries=event.tries + 1, error=""
    )


def _put_off(event: StripeEvent, error: Exception) -> None:
    tries = event.tries + 1
    StripeEvent.objects.filter(pk=event.pk).update(
        state=EventState.DEAD if tries >= TRIES else EventState.WAITING,
        tries=tries,
        next_try_at=timezone.now() + min(LONGEST_PAUSE, FIRST_PAUSE * 2**event.tries),
        error=f"{type(error).__name__}: {error}"[:500],
    )
