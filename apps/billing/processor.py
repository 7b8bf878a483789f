"""The way to Stripe: its own client, with our time limits, its errors as ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import stripe
from django.conf import settings

from apps.common.errors import ArtemisError, Invalid, Unavailable
from apps.common.money import NANO_PER_USD

CURRENCY = "usd"
NANO_PER_CENT = NANO_PER_USD // 100
SECONDS = 20.0
Asked = TypeVar("Asked")
AWAY = "Stripe does not answer at the moment; try again in a few minutes. Nothing was charged twice."


class Declined(ArtemisError):
    """A card was refused, or needs its holder: `code` is Stripe's, the message says it to people."""

    status = 402
    type = "invalid_request_error"
    code = "card_declined"


def is_configured() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


def is_stand_in() -> bool:
    """Whether it is the stand-in that answers: no money is moved."""
    return hasattr(settings, "STRIPE_API_HOST")


@cache
def client() -> stripe.StripeClient:
    """One for the process. Raises Unavailable where no key is set."""
    if not is_configured():
        raise Unavailable("Payments are not set up here: the platform's staff give plans and credit.", retry_after=None)
    host = getattr(settings, "STRIPE_API_HOST", None)
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses={"api": host} if host else {},
        max_network_retries=2,  # with the same idempotency key
        http_client=stripe.RequestsClient(timeout=SECONDS),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Stripe's errors as Declined, Unavailable or Invalid. Their texts are for us: people are told what to do."""
    try:
        yield
    except stripe.CardError as error:
        raise Declined(error.user_message or "The card was declined.", code=error.code or None) from error
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise Unavailable(AWAY, retry_after=30) from error
    except stripe.InvalidRequestError as error:
        raise Invalid(error.param, f"Stripe refused this: {error.user_message}", code=error.code or None) from error
    except stripe.StripeError as error:  # its own failures, a key that is no longer good
        raise Unavailable(AWAY, retry_after=60) from error


def if_there(ask: Callable[[], Asked]) -> Asked | None:
    """What Stripe answers, or None where it has nothing of that name. Raises what `translated` does."""
    try:
        with translated():
            return ask()
    except Invalid as error:
        if error.code != "resource_missing":
            raise
        return None


def cents(nano: int) -> int:
    """Raises Invalid for a sum with a fraction of a cent."""
    whole, rest = divmod(nano, NANO_PER_CENT)
    if rest:
        raise Invalid("amount", "Give whole cents.")
    return whole


def nano(cents: int) -> int:
    return cents * NANO_PER_CENT
