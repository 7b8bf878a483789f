"""Credit that is added by itself when little is left: the card that was kept, as its holder agreed to."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.selectors import is_suspended
from apps.billing.models import AutoTopUp, StripeCustomer, TopUp, TopUpState
from apps.billing.processor import CURRENCY, Declined, cents, client, is_configured, translated
from apps.billing.selectors import balance_of_account, charged_automatically
from apps.billing.services.letters import write_about_money
from apps.billing.services.stripe_customers import customer_at_stripe
from apps.billing.services.top_ups import LEAST, METADATA, MOST, is_for, note_payment_intent
from apps.common.errors import ArtemisError, Invalid, NotFound
from apps.common.money import format_usd

KNOWN_BY_KEY = timedelta(hours=23)  # Stripe answers the same under an idempotency key for a day
ONCE_AGAIN = timedelta(seconds=30)  # a charge that was not answered is asked for again after it
LETTER = "auto_top_up"
AUTHENTICATION = "authentication_required"
NEEDS_HOLDER = "The card's holder must agree to the payment: add credit by hand."
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
    theirs = StripeCustomer.of(account_id)
    if theirs is None:
        return None
    customer: Any = customer_at_stripe(theirs)
    if customer is None:
        return None
    with translated():
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
    unanswered = TopUp.objects.filter(
        is_automatic=True,
        state=TopUpState.PENDING,
        livemode=settings.STRIPE_LIVE_MODE,
        updated_at__lt=now - ONCE_AGAIN,
    )
    done = sum(_tried(_resolve, top_up.account_id, top_up, now) for top_up in unanswered.order_by("pk"))
    for account_id in AutoTopUp.objects.filter(enabled=True).order_by("pk").values_list("pk", flat=True):
        done += _tried(_begin, account_id, account_id, now)
    return done


def _tried(work: Callable[..., bool], account_id: int, *arguments: Any) -> bool:
    """One account's trouble holds up no other."""
    try:
        return work(*arguments)
    except ArtemisError as error:
        logger.warning("no automatic top-up for account %d for now: %s", account_id, error)
        return False


def _begin(account_id: int, now: datetime) -> bool:
    """Charges if little is left. What the next invoice asks for is not asked for here."""
    low = AutoTopUp.objects.get(pk=account_id)
    if not _is_low(low) or is_suspended(account_id=account_id):
        return False
    card = saved_card(account_id=account_id)
    with transaction.atomic():
        low = AutoTopUp.objects.select_for_update().get(pk=account_id)
        pending = TopUp.objects.filter(account_id=account_id, is_automatic=True, state=TopUpState.PENDING)
        if not low.enabled or pending.exists() or not _is_low(low):
            return False
        if card is None:
            _stop(low, "No card is kept any more.")
            return False
        if charged_automatically(account_id=account_id, now=now) + low.amount > low.monthly_cap:
            _tell_of_cap(low, now)
            return False
        top_up = TopUp.objects.create(
            account_id=account_id,
            livemode=settings.STRIPE_LIVE_MODE,
            amount=low.amount,
            is_automatic=True,
            payment_method_id=card.id,
        )
    return _charge(top_up)


def _is_low(low: AutoTopUp) -> bool:
    balance = balance_of_account(account_id=low.account_id)
    return bool(balance.available + balance.metered < low.threshold)


def _resolve(top_up: TopUp, now: datetime) -> bool:
    """One that Stripe did not answer. Where nobody agrees to it any more, it is looked for, and not asked again."""
    TopUp.objects.filter(pk=top_up.pk).update(updated_at=timezone.now())
    agreed = AutoTopUp.objects.filter(pk=top_up.account_id, enabled=True, consented_at__lte=top_up.created_at).exists()
    if agreed and now - top_up.created_at < KNOWN_BY_KEY:
        return _charge(top_up)
    intent = _charged_before(top_up)
    if intent is not None:
        return _settle(top_up, intent)
    TopUp.objects.filter(pk=top_up.pk, state=TopUpState.PENDING).update(
        state=TopUpState.FAILED, failure="Stripe did not answer, and has charged nothing."
    )
    return False


def _charge(top_up: TopUp) -> bool:
    """Whether it came through. What Stripe does not answer stays pending, and is asked again under the same key."""
    try:
        with translated():
            intent = client().v1.payment_intents.create(
                {
                    "amount": cents(top_up.amount),
                    "currency": CURRENCY,
                    "customer": _customer_of(top_up),
                    "payment_method": top_up.payment_method_id,
                    "off_session": True,
                    "confirm": True,
                    "description": "Prepaid credit, automatically",
                    "metadata": {METADATA: str(top_up.reference)},
                },
                {"idempotency_key": f"artemis-top-up-{top_up.reference}"},
            )
    except Declined as error:
        said = getattr(getattr(error.__cause__, "error", None), "payment_intent", None)
        if said is not None:
            _give_up(str(said["id"]))
        _fail(top_up, NEEDS_HOLDER if error.code == AUTHENTICATION else f"The card was refused: {error.message}")
        return False
    except Invalid:
        logger.exception("Stripe does not take the automatic top-up %d", top_up.pk)
        _fail(top_up, "The card could not be charged: add credit by hand, which keeps a card anew.")
        return False
    return _settle(top_up, intent)


def _settle(top_up: TopUp, intent: Any) -> bool:
    if intent.status in ("succeeded", "processing", "canceled"):  # processing: the webhook tells what becomes of it
        note_payment_intent(intent)
        return bool(intent.status == "succeeded")
    _give_up(intent.id)
    _fail(top_up, NEEDS_HOLDER if intent.status == "requires_action" else "The card was refused.")
    return False


def _charged_before(top_up: TopUp) -> Any:
    """The payment that was asked for, or None."""
    begun = int((top_up.created_at - timedelta(minutes=5)).timestamp())
    asked: Any = {"customer": _customer_of(top_up), "created": {"gte": begun}, "limit": 100}
    with translated():
        listed = client().v1.payment_intents.list(asked)
        return next((intent for intent in listed.auto_paging_iter() if is_for(top_up, intent)), None)


def _customer_of(top_up: TopUp) -> str:
    """Who it was when it was begun: Stripe wants the same again under the same key."""
    theirs = StripeCustomer.objects.filter(
        account_id=top_up.account_id, livemode=top_up.livemode, created_at__lte=top_up.created_at
    )
    return theirs.latest("created_at").stripe_id


def _fail(top_up: TopUp, because: str) -> None:
    """A card that is refused is not charged again by itself: its bank would hold that against it."""
    because = because[:200]
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
    write_about_money(
        account_id=auto.account_id, subject="The automatic top-up has stopped", template=LETTER, because=because
    )


def _tell_of_cap(auto: AutoTopUp, now: datetime) -> None:
    """Once a month."""
    month = now.date().replace(day=1)
    if auto.told_of_cap != month:
        AutoTopUp.objects.filter(pk=auto.pk).update(told_of_cap=month)
        write_about_money(
            account_id=auto.account_id,
            subject="The automatic top-up has reached its cap",
            template=LETTER,
            cap=format_usd(auto.monthly_cap),
        )
