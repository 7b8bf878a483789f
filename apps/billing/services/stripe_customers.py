"""Accounts as Stripe's customers."""

from django.conf import settings

from apps.accounts.selectors import account_name, addresses_of_account
from apps.billing.models import StripeCustomer
from apps.billing.processor import client, translated
from apps.common.errors import Unavailable

PAYERS = ("owner", "billing")


def stripe_customer(*, account_id: int) -> str:
    """The id of the account's customer, who is made where there is none yet. Raises Unavailable or Invalid.

    Raises Unavailable, too, where the platform has taken payments in the other mode: play money and real money must
    not meet in one ledger.
    """
    live = settings.STRIPE_LIVE_MODE
    known = StripeCustomer.of(account_id)
    if known is not None:
        return known.stripe_id
    if StripeCustomer.objects.filter(livemode=not live).exists():
        raise Unavailable(
            f"This installation has taken payments in {'test' if live else 'live'} mode: its ledger takes no others."
        )
    name, slug = account_name(account_id=account_id)
    addresses = addresses_of_account(account_id=account_id, roles=PAYERS)
    with translated():
        made = client().v1.customers.create(
            {"name": name, "metadata": {"artemis_account": slug}, **({"email": addresses[0]} if addresses else {})}
        )
    StripeCustomer.objects.bulk_create(
        [StripeCustomer(account_id=account_id, livemode=live, stripe_id=made.id)], ignore_conflicts=True
    )
    return StripeCustomer.objects.get(account_id=account_id, livemode=live).stripe_id
