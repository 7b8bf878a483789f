"""Where a payment leads: the invoice or the Checkout session for which an intent was made follows its fate."""

from apps.billing.emulator import checkout, invoice_payments, payments, setups
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def confirm(world: World, intent: Object, method: Object, *, off_session: bool) -> None:
    """Raises StripeError (a card error) when the card refuses."""
    error = payments.attempt(world, intent, method, off_session=off_session, asks_holder=not off_session)
    _follow(world, intent)
    if error is not None:
        raise error


def authenticate(world: World, intent: Object, *, succeeds: bool) -> StripeError | None:
    """The holder's answer to the bank's question, of a payment or a setup intent."""
    if intent["status"] != "requires_action":
        raise StripeError(
            f"This intent's status is {intent['status']}; it does not wait for an answer.",
            code=f"{intent['object']}_unexpected_state",
        )
    method = world.get("payment_method", intent["payment_method"])
    if intent["object"] == "setup_intent":
        error = setups.answer(world, intent, method, succeeds=succeeds)
    elif succeeds:
        payments.succeed(world, intent, method)
        error = None
    else:
        error = payments.fail_authentication(world, intent, method)
    _follow(world, intent)
    return error


def _follow(world: World, intent: Object) -> None:
    known = world.store.known(intent)
    invoice = world.store.find("invoice", known.get("invoice"))
    if intent["status"] == "requires_payment_method" and invoice is not None:
        world.emit("invoice.payment_failed", invoice)
    if intent["status"] != "succeeded":
        return
    if invoice is not None:
        invoice_payments.mark_paid(world, invoice)
    session = world.store.find("checkout.session", known.get("session"))
    if session is not None and session["status"] == "open":
        checkout.finish(world, session, world.get("payment_method", intent["payment_method"]))
