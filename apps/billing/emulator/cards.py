"""Stripe's test cards: what each does when it is saved, charged or asked for authentication.

See https://docs.stripe.com/testing. Other numbers are refused, so no real one is ever kept.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from apps.billing.emulator.errors import StripeError, card_error
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

Authentication = Literal["never", "unless_set_up", "always"]
EXPIRY_MONTH, EXPIRY_YEAR = 12, 2034


@dataclass(frozen=True)
class Card:
    number: str
    summary: str
    brand: str = "visa"
    saving: str | None = None
    """The decline code when it is attached or set up."""
    charging: str | None = None
    """The decline code when it is charged."""
    authentication: Authentication = "never"
    disputed: bool = False
    """Its holder takes each payment back."""
    tokens: tuple[str, ...] = ()


CARDS = (
    Card("4242424242424242", "Succeeds", tokens=("pm_card_visa", "tok_visa")),
    Card("5555555555554444", "Succeeds (Mastercard)", "mastercard", tokens=("pm_card_mastercard", "tok_mastercard")),
    Card("378282246310005", "Succeeds (American Express)", "amex", tokens=("pm_card_amex", "tok_amex")),
    Card(
        "4000000000000002",
        "Is declined",
        saving="generic_decline",
        charging="generic_decline",
        tokens=("pm_card_visa_chargeDeclined", "pm_card_chargeDeclined", "tok_chargeDeclined"),
    ),
    Card(
        "4000000000009995",
        "Has insufficient funds",
        saving="insufficient_funds",
        charging="insufficient_funds",
        tokens=("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedInsufficientFunds"),
    ),
    Card(
        "4000000000000069",
        "Has expired",
        saving="expired_card",
        charging="expired_card",
        tokens=("pm_card_chargeDeclinedExpiredCard", "tok_chargeDeclinedExpiredCard"),
    ),
    Card(
        "4000000000000119",
        "Meets a processing error",
        saving="processing_error",
        charging="processing_error",
        tokens=("pm_card_chargeDeclinedProcessingError", "tok_chargeDeclinedProcessingError"),
    ),
    Card(
        "4000000000000341",
        "Can be saved; each charge fails",
        charging="generic_decline",
        tokens=("pm_card_chargeCustomerFail", "tok_chargeCustomerFail"),
    ),
    Card("4000000000000259", "Succeeds, and is disputed", disputed=True, tokens=("pm_card_createDispute",)),
    Card(
        "4000002500003155",
        "Requires authentication, unless it was set up",
        authentication="unless_set_up",
        tokens=("pm_card_authenticationRequiredOnSetup", "tok_threeDSecureOptional"),
    ),
    Card(
        "4000002760003184",
        "Requires authentication each time",
        authentication="always",
        tokens=("pm_card_authenticationRequired", "pm_card_threeDSecure2Required"),
    ),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {token: card for card in CARDS for token in card.tokens}
OWN_CODES = {
    "expired_card": "Your card has expired.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
MESSAGES = {
    **OWN_CODES,
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


@dataclass(frozen=True)
class CardDetails:
    """As a person types them."""

    card: Card
    month: int = EXPIRY_MONTH
    year: int = EXPIRY_YEAR
    name: str | None = None

    @classmethod
    def make(
        cls, number: str, *, month: int = EXPIRY_MONTH, year: int = EXPIRY_YEAR, name: str | None = None, now: int = 0
    ) -> "CardDetails":
        """Raises StripeError (a card error) for a number that is not a test card's, or an expiry that is past."""
        digits = number.replace(" ", "").replace("-", "")
        if not digits.isdecimal() or not _luhn(digits):
            raise card_error("Your card number is incorrect.", code="incorrect_number", param="number")
        if digits not in BY_NUMBER:
            raise card_error(
                "Your card was declined. Your request was in test mode, but used a non test card.",
                code="card_declined",
                decline_code="test_mode_live_card",
                param="",
            )
        if not 1 <= month <= 12:
            raise card_error("Your card's expiration month is invalid.", code="invalid_expiry_month", param="exp_month")
        if year < 1970 + now // 31_556_952:
            raise card_error("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")
        return cls(BY_NUMBER[digits], month, year, name or None)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def decline(decline_code: str) -> StripeError:
    code = decline_code if decline_code in OWN_CODES else "card_declined"
    if decline_code == "authentication_required":
        code = "authentication_required"
    more = {} if code in OWN_CODES else {"decline_code": decline_code}
    return card_error(MESSAGES[decline_code], code=code, **more)


def save(
    world: World, details: CardDetails, *, billing: Object | None = None, metadata: Object | None = None
) -> Object:
    """A new payment method, not attached to anybody yet."""
    billing = {"address": None, "email": None, "name": details.name, "phone": None, "tax_id": None, **(billing or {})}
    billing["address"] = {
        **dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
        **(billing["address"] or {}),
    }
    return world.add(
        "payment_method",
        {
            "allow_redisplay": "unspecified",
            "billing_details": billing,
            "card": shown(details),
            "customer": None,
            "customer_account": None,
            "metadata": metadata or {},
            "type": "card",
        },
        number=details.card.number,
        set_up=False,
    )


def shown(details: CardDetails) -> Object:
    card = details.card
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand.replace("amex", "american_express"),
        "exp_month": details.month,
        "exp_year": details.year,
        "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
        "funding": "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def behind(world: World, method: Object) -> Card:
    return BY_NUMBER[world.store.known(method)["number"]]


def needs_authentication(world: World, method: Object, *, off_session: bool) -> bool:
    card = behind(world, method)
    if card.authentication == "unless_set_up":
        return not (off_session and world.store.known(method)["set_up"])
    return card.authentication == "always"


def resolve(world: World, name: str, *, param: str = "payment_method") -> Object:
    """A payment method by its identifier, or a new one of a test card by its token."""
    if name in BY_TOKEN:
        return save(world, CardDetails(BY_TOKEN[name]))
    return world.get("payment_method", name, param=param, noun="PaymentMethod")


def attach(world: World, method: Object, customer: str) -> Object:
    """Raises StripeError where the card declines it, or it belongs to somebody else."""
    if method["customer"] not in (None, customer):
        raise StripeError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    declined = behind(world, method).saving
    if declined is not None:
        raise decline(declined)
    return world.change(method, "payment_method.attached", customer=customer)
