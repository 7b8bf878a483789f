"""Credit that is added by itself when little is left: the card that was kept, as its holder agreed to."""

import logging
from datetime import datetime, timedelta
from typing import Any

import stripe
from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from apps.accounts.selectors import account_name
from apps.accounts.services import write_letter
from apps.billing.models import AutoTopUp, StripeCustomer, TopUp, TopUpState
from apps.billing.processor import CURRENCY, Declined, cents, client, is_configured, translated
from apps.billing.selectors import balance_of_account, charged_automatically
from apps.billing.services.top_ups import LEAST, METADATA, MOST, is_for, note_payment_intent
from apps.common.errors import ArtemisError, Invalid, NotFound
from apps.common.money import format_usd

KNOWN_BY_KEY = timedelta(hours=23)  # Stripe answers the same under an idempotency key for a day
ONCE_AGAIN = timedelta(seconds=30)  # a charge that was not answered is asked for again after it
NEEDS_HOLDER = "authentication_required"
logger = logging.getLogger(__name__)


def set_auto_top_up(*, account_id: int, threshold: int, amount: int, monthly_cap: int, actor_id: int) -> None:
    """The account's people agree that the kept card is charged. Nano-dollars, whole cents.

    Raises Invalid, also where no card is kept, or Unavailable.
    """
    if not 0 <= threshold <= MOST:
        raise Invalid("threshold", f"Give a sum from $0 to {format_usd(MOST)}.")
    if not LEAST <= amount <= MOST:
        raise Invalid("amount", f"Give a sum from {format_usd(LEAST)} to {format_usd(MOST)}.")
    if monthly_cap < amount:
        raise Invalid("monthly_cap", "Give at least what is charged at a time.")
    cents(amount)
    if saved_card(account_id=account_id) is None:
        raise Invalid(None, "No card is kept yet: add credit once, and the card is.", code="card_missing")
    AutoTopUp.objects.update_or_create(
        account_id=account_id,
        defaults={
            "threshold": threshold,
            "amount": amount,
            "monthly_cap": monthly_cap,
            "enabled": True,
            "stopped_because": "",
            "consented_by_id": actor_id,
            "consented_at": timezone.now(),
            "told_of_cap": None,
        },
    )


def stop_auto_top_up(*, account_id: int) -> None:
    """Raises NotFound where there is none."""
    if not AutoTopUp.objects.filter(pk=account_id).update(enabled=False, stopped_because=""):
        raise NotFound("This account has no automatic top-up.")


def saved_card(*, account_id: int) -> stripe.PaymentMethod | None:
    """The one that is charged: the customer's default, else the newest. Raises Unavailable or Invalid."""
    theirs = StripeCustomer.objects.filter(account_id=account_id, livemode=settings.STRIPE_LIVE_MODE).first()
    if theirs is None:
        return None
    with translated():
        customer: Any = client().v1.customers.retrieve(theirs.stripe_id)
        cards = client().v1.payment_methods.list({"customer": theirs.stripe_id, "type": "card"}).data
    if not cards:
        return None
    wanted = customer.invoice_settings.default_payment_method
    return next((card for card in cards if card.id == wanted), cards[0])


def top_up_automatically(*, now: datetime | None = None) -> int:
    """Charges for accounts that have less than they wanted to; how many charges came through."""
    if not is_configured():
        return 0
    now = now or timezone.now()
    done = 0
    for account_id in AutoTopUp.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        try:
            top_up = _begin(account_id, now)
            if top_up is not None:
                done += _charge(top_up, now)
        except ArtemisError as error:
            logger.warning("no automatic top-up for account %d for now: %s", account_id, error)
    return done


def _begin(account_id: int, now: datetime) -> TopUp | None:
    """The top-up to charge for: one that was not answered, or a new one where one is due."""
    pending = TopUp.objects.filter(account_id=account_id, is_automatic=True, state=TopUpState.PENDING).first()
    if pending is not None:
        return pending if now - pending.updated_at > ONCE_AGAIN else None
    low = AutoTopUp.objects.get(pk=account_id)
    if balance_of_account(account_id=account_id).available >= low.threshold:
        return None
    card = saved_card(account_id=account_id)
    with transaction.atomic():
        low = AutoTopUp.objects.select_for_update().get(pk=account_id)
        mine = TopUp.objects.filter(account_id=account_id, is_automatic=True)
        if not low.enabled or mine.filter(state=TopUpState.PENDING).exists():
            return None
        if balance_of_account(account_id=account_id).available >= low.threshold:
            return None
        if card is None:
            _stop(low, "No card is kept any more.")
            return None
        if charged_automatically(account_id=account_id, now=now) + low.amount > low.monthly_cap:
            _tell_of_cap(low, now)
            return None
        return TopUp.objects.create(
            account_id=account_id,
            livemode=settings.STRIPE_LIVE_MODE,
            amount=low.amount,
            is_automatic=True,
            payment_method_id=card.id,
        )


def _charge(top_up: TopUp, now: datetime) -> bool:
    """Whether it came through. What Stripe does not answer stays pending, and is asked again under the same key."""
    TopUp.objects.filter(pk=top_up.pk).update(updated_at=timezone.now())
    customer = StripeCustomer.objects.get(account_id=top_up.account_id, livemode=top_up.livemode).stripe_id
    try:
        if now - top_up.created_at > KNOWN_BY_KEY:
            intent = _charged_before(top_up, customer)
        else:
            with translated():
                intent = client().v1.payment_intents.create(
                    {
                        "amount": cents(top_up.amount),
                        "currency": CURRENCY,
                        "customer": customer,
                        "payment_method": top_up.payment_method_id,
                        "off_session": True,
                        "confirm": True,
                        "description": "Prepaid credit, automatically",
                        "metadata": {METADATA: str(top_up.reference)},
                    },
                    {"idempotency_key": f"artemis-top-up-{top_up.reference}"},
                )
    except (Declined, Invalid) as error:
        _fail(top_up, error)
        return False
    if intent is None:
        _fail(top_up, Invalid(None, "Stripe did not answer for a day."))
        return False
    note_payment_intent(intent)
    return bool(intent.status == "succeeded")


def _charged_before(top_up: TopUp, customer: str) -> Any:
    """The payment that was asked for under a key that Stripe has forgotten, or None."""
    begun = int((top_up.created_at - timedelta(minutes=5)).timestamp())
    with translated():
        listed = client().v1.payment_intents.list({"customer": customer, "created": {"gte": begun}, "limit": 100})
        return next((intent for intent in listed.auto_paging_iter() if is_for(top_up, intent)), None)


def _fail(top_up: TopUp, error: ArtemisError) -> None:
    """A card that is refused is not charged again by itself: its bank would hold that against it."""
    said = error.__cause__
    intent = getattr(getattr(said, "error", None), "payment_intent", None)
    if intent is not None:
        _give_up(str(intent["id"]))
    because = (
        "The card's holder must agree to the payment: add credit by hand."
        if error.code == NEEDS_HOLDER
        else f"The card was refused: {error.message}"
    )[:200]
    with transaction.atomic():
        TopUp.objects.filter(pk=top_up.pk, state=TopUpState.PENDING).update(state=TopUpState.FAILED, failure=because)
        _stop(AutoTopUp.objects.select_for_update().get(pk=top_up.account_id), because)


def _give_up(intent_id: str) -> None:
    """So that nobody can pay it any more."""
    try:
        with translated():
            client().v1.payment_intents.cancel(intent_id)
    except ArtemisError:
        logger.warning("the payment %s could not be cancelled", intent_id)


def _stop(auto: AutoTopUp, because: str) -> None:
    AutoTopUp.objects.filter(pk=auto.pk).update(enabled=False, stopped_because=because)
    _write(auto, "The automatic top-up has stopped", because=because)


def _tell_of_cap(auto: AutoTopUp, now: datetime) -> None:
    """Once a month."""
    month = now.date().replace(day=1)
    if auto.told_of_cap != month:
        AutoTopUp.objects.filter(pk=auto.pk).update(told_of_cap=month)
        _write(auto, "The automatic top-up has reached its cap", cap=format_usd(auto.monthly_cap))


def _write(auto: AutoTopUp, subject: str, **said: str) -> None:
    name, slug = account_name(account_id=auto.account_id)
    context = {"account": name, "page": settings.PUBLIC_URL + reverse("portal:billing", args=[slug]), **said}
    write_letter(
        account_id=auto.account_id,
        subject=f"{subject} ({name})",
        text=render_to_string("billing/email/auto_top_up.txt", context),
    )
