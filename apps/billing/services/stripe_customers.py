"""Accounts as Stripe's customers."""

import logging

import stripe
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.selectors import account_name, addresses_of_account
from apps.billing.models import AutoTopUp, StripeCustomer, Subscription
from apps.billing.processor import client, if_there, translated
from apps.billing.services.letters import write_about_money
from apps.common.errors import Unavailable

PAYERS = ("owner", "billing")
GONE = "The card is kept no more: what Stripe kept of this account was deleted there."
logger = logging.getLogger(__name__)


def stripe_customer(*, account_id: int) -> str:
    """The id of the account's customer, who is made where there is none, or none any more.

    Raises Unavailable or Invalid. Unavailable, too, where the platform has taken payments in the other mode: play money
    and real money must not meet in one ledger.
    """
    live = settings.STRIPE_LIVE_MODE
    known = StripeCustomer.of(account_id)
    if known is not None and customer_at_stripe(known) is not None:
        return known.stripe_id
    if StripeCustomer.objects.filter(livemode=not live).exists():
        raise Unavailable(
            f"This installation has taken payments in {'test' if live else 'live'} mode: its ledger takes no others."
        )
    name, slug = account_name(account_id=account_id)
    addresses = addresses_of_account(account_id=account_id, roles=PAYERS)
    with translated():
        # Stripe's client gives each call an idempotency key of its own: the next customer is not the deleted one again.
        made = client().v1.customers.create(
            {"name": name, "metadata": {"artemis_account": slug}, **({"email": addresses[0]} if addresses else {})}
        )
    StripeCustomer.objects.bulk_create(
        [StripeCustomer(account_id=account_id, livemode=live, stripe_id=made.id)], ignore_conflicts=True
    )
    return StripeCustomer.objects.get(account_id=account_id, livemode=live, deleted_at__isnull=True).stripe_id


def customer_at_stripe(known: StripeCustomer) -> stripe.Customer | None:
    """As Stripe has it now; None where somebody has deleted it there. Raises Unavailable or Invalid."""
    customer = if_there(lambda: client().v1.customers.retrieve(known.stripe_id))
    # Test data that was cleared leaves nothing, not even that it was deleted.
    if customer is not None and not getattr(customer, "deleted", False):
        return customer
    _note_deleted(known)
    return None


def note_customer(stripe_id: str) -> None:
    """Stripe says that something about it has changed."""
    known = StripeCustomer.known_as(stripe_id)
    if known is not None and known.deleted_at is None:
        customer_at_stripe(known)


@transaction.atomic
def _note_deleted(customer: StripeCustomer) -> None:
    """Tells its people once what has gone with it. Its subscription's end is told by Stripe, as any other is."""
    now, account_id = timezone.now(), customer.account_id
    if not StripeCustomer.objects.filter(pk=customer.pk, deleted_at__isnull=True).update(deleted_at=now):
        return
    logger.warning("the customer %s of account %d was deleted at Stripe", customer, account_id)
    subscribed = Subscription.objects.filter(account_id=account_id, livemode=customer.livemode, period_end__gt=now)
    lost = subscribed.exclude(stripe_id="").select_related("plan").first()
    stopped = AutoTopUp.objects.filter(pk=account_id, enabled=True).update(enabled=False, stopped_because=GONE)
    write_about_money(
        account_id=account_id,
        subject="Cards and subscription were deleted at Stripe" if lost else "Cards were deleted at Stripe",
        template="customer_deleted",
        plan=lost.plan.name if lost else "",
        stopped=bool(stopped),
    )
