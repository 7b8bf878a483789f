"""Setup intents: a card is saved for later, after its holder was asked where the bank wants that."""

from typing import Any

from apps.billing.emulator import cards, identifiers
from apps.billing.emulator.errors import StripeError, card_error
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def new_intent(world: World, *, customer: str | None, fields: Object | None = None, **hidden: Any) -> Object:
    identifier = identifiers.new("setup_intent")
    intent = {
        "id": identifier,
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": identifiers.client_secret(identifier),
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
        **(fields or {}),
    }
    if intent["payment_method"] is not None:
        intent["status"] = "requires_confirmation"
    return world.add("setup_intent", intent, "setup_intent.created", **hidden)


def attempt(world: World, intent: Object, method: Object) -> StripeError | None:
    """A refusal is returned, not raised."""
    card = cards.behind(world, method)
    if card.saving is not None:
        return _refuse(world, intent, method, cards.decline(card.saving))
    if card.authentication != "never":
        url = f"{world.settings.base_url}/authenticate/{intent['id']}"
        return_url = world.store.known(intent).get("return_url")
        world.change(
            intent,
            "setup_intent.requires_action",
            status="requires_action",
            payment_method=method["id"],
            last_setup_error=None,
            next_action={"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}},
        )
        return None
    _succeed(world, intent, method)
    return None


def answer(world: World, intent: Object, method: Object, *, succeeds: bool) -> StripeError | None:
    """The holder's, to the bank's question."""
    if succeeds:
        _succeed(world, intent, method)
        return None
    error = card_error(
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        code="setup_intent_authentication_failure",
    )
    return _refuse(world, intent, method, error)


def _succeed(world: World, intent: Object, method: Object) -> None:
    if intent["customer"] is not None and method["customer"] is None:
        cards.attach(world, method, intent["customer"])
    world.store.remember(method, set_up=True)
    world.change(
        intent,
        "setup_intent.succeeded",
        status="succeeded",
        payment_method=method["id"],
        next_action=None,
        last_setup_error=None,
    )


def _refuse(world: World, intent: Object, method: Object, error: StripeError) -> StripeError:
    shown = {**error.fields, "payment_method": dict(method)}
    world.change(
        intent,
        "setup_intent.setup_failed",
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=shown,
    )
    error.fields |= {**shown, "setup_intent": dict(intent)}
    return error
